"""The states of reading, and the one place that writes them."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction

from pacs import audit, events
from studies.models import ReadingState, Study
from studies.reading.errors import Refused

UNREAD, CLAIMED, DRAFT = ReadingState.UNREAD, ReadingState.CLAIMED, ReadingState.DRAFT
PRELIMINARY, FINAL = ReadingState.PRELIMINARY, ReadingState.FINAL
ADDENDED, NOT_NEEDED = ReadingState.ADDENDED, ReadingState.NOT_NEEDED

ALLOWED: Final[dict[str, frozenset[str]]] = {
    UNREAD: frozenset({CLAIMED, NOT_NEEDED}),
    CLAIMED: frozenset({UNREAD, DRAFT, NOT_NEEDED}),
    DRAFT: frozenset({UNREAD, CLAIMED, PRELIMINARY, FINAL}),
    PRELIMINARY: frozenset({FINAL, UNREAD}),
    FINAL: frozenset({ADDENDED, UNREAD}),
    ADDENDED: frozenset({UNREAD}),
    NOT_NEEDED: frozenset({UNREAD, CLAIMED}),
}
"""From each state to which: a draft may be discarded, whatever is signed may be withdrawn."""
BEING_READ: Final = (CLAIMED.value, DRAFT.value, PRELIMINARY.value)
OPEN: Final = (UNREAD.value, *BEING_READ)
WITHOUT_READER: Final = frozenset({UNREAD, NOT_NEEDED})
UNCHANGED: Final = object()


def turn(
    study: Study,
    to: str,
    *,
    where: dict[str, Any],
    actor: Any,
    action: str,
    detail: dict[str, Any] | None = None,
    **values: Any,
) -> bool:
    """Compare and set: the study, where it is still as `where` says, comes into the state `to`.

    In the caller's transaction, with audit and event. `values` may hold `address` and
    `session_key` for the trail. False, and nothing done, where it is not so any more.
    """
    origin = {name: values.pop(name) for name in ("address", "session_key") if name in values}
    if to in WITHOUT_READER:
        values |= {"reader": None, "claimed_at": None, "reader_seen_at": None}
    if not Study.objects.filter(pk=study.pk, **where).update(reading_state=to, **values):
        return False
    audit.record(action, actor=actor, study=study, detail=detail, **origin)
    events.publish("study.changed", site=study.site_id, study=study.pk)
    return True


def move(
    study_id: int,
    to: str,
    *,
    actor: Any,
    reader: Any = UNCHANGED,
    address: str = "",
    session_key: str = "",
) -> Study:
    """Bring a study into another state of reading, for the report that has come so far.

    The caller has checked that `actor` (a user, or None for the portal itself) may do it.
    `reader`: a User or id who reads it from now on. Back at unread nobody does. A study that is
    in this state already stays as it is. Joins the caller's transaction. Returns the study as it
    is then. Raises Refused where the states do not follow, Study.DoesNotExist.
    """
    to = ReadingState(to).value
    with transaction.atomic():
        study: Study = Study.objects.select_for_update(of=("self",)).get(pk=study_id)
        before = study.reading_state
        changes: dict[str, Any] = {}
        if reader is not UNCHANGED:
            changes["reader_id"] = getattr(reader, "pk", reader)
        if to == before and changes.get("reader_id", study.reader_id) == study.reader_id:
            return study
        if to not in {before, *ALLOWED[before]}:
            raise Refused(
                f"A study that is {ReadingState(before).label.lower()} cannot become"
                f" {ReadingState(to).label.lower()}."
            )
        turn(
            study,
            to,
            where={"reading_state": before},
            actor=actor,
            action="study.reading",
            detail={"from": before, "to": to},
            address=address,
            session_key=session_key,
            **changes,
        )
        study.refresh_from_db()
    return study
