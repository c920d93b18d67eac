"""What the two kinds of destinations have in common."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from typing import Protocol

from studies.sending.models import SendItem
from studies.services.outgoing import Outgoing

SENT = SendItem.State.SENT
REFUSED = SendItem.State.REFUSED


@dataclass(frozen=True, slots=True)
class Parcel:
    """One image of a batch."""

    item_id: int
    sop_instance_uid: str
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an image. Those without a result are sent again later."""

    item_id: int
    state: SendItem.State
    reason: str = ""


class Peer(Protocol):
    """A destination that takes batches of images."""

    def send(self, parcels: list[Parcel], results: list[Result], stop: Event) -> None:
        """Send, and append to `results` as soon as an image's fate is known; stops on `stop`.

        Raises PeerUnavailable or PeerUnusable; what is in `results` by then counts.
        """

    def close(self) -> None:
        """Close the connections."""
