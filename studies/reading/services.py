"""Reading, as the other parts of the portal call it."""

from __future__ import annotations

from studies.reading.assignment import assign
from studies.reading.claims import claim, release, seen, take_over
from studies.reading.need import set_needed
from studies.reading.notes import add as add_note
from studies.reading.people import rights_of
from studies.reading.queue import next_unread
from studies.reading.states import UNCHANGED, move
from studies.reading.urgency import set_priority

__all__ = [
    "UNCHANGED",
    "add_note",
    "assign",
    "claim",
    "move",
    "next_unread",
    "release",
    "rights_of",
    "seen",
    "set_needed",
    "set_priority",
    "take_over",
]
