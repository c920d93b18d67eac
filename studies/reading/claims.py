"""Claims: two people never read the same study without knowing.

Every change is one compare-and-set `update()`, so that of many at once exactly one wins.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from studies.models import ReadingState, Study
from studies.reading import notices
from studies.reading.errors import AlreadyClaimed, NotAllowed, Refused
from studies.reading.people import acting, manages, reads
from studies.reading.states import BEING_READ, CLAIMED, NOT_NEEDED, UNREAD, turn

CLAIMABLE = (UNREAD.value, NOT_NEEDED.value)


def _visible(who: Any, study_id: int) -> Study:
    """Raises Study.DoesNotExist where the person does not see it."""
    study: Study = Study.objects.visible_to(who).select_related("reader").get(pk=study_id)
    return study


def _as_reader(who: Any, study_id: int) -> tuple[Any, Study]:
    principal, user = acting(who)
    study = _visible(principal, study_id)
    if not reads(principal, study.site_id):
        raise NotAllowed("Only radiologists of the study's site read it.")
    return user, study


def _fresh(study_id: int) -> Study:
    study: Study = Study.objects.select_related("reader").get(pk=study_id)
    return study


def claim(study_id: int, who: Any, *, address: str = "", session_key: str = "") -> Study:
    """Read a study from now on: unread becomes claimed by `who`, a User or Principal.

    Whoever reads it already keeps it and is seen again. One that needed no reading can be claimed
    as well. Raises AlreadyClaimed (by whom), Refused for one that is read, NotAllowed,
    Study.DoesNotExist.
    """
    user, study = _as_reader(who, study_id)
    with transaction.atomic():
        if claim_seen(study, user, address=address, session_key=session_key):
            return _fresh(study_id)
    study = _fresh(study_id)
    if study.reading_state not in BEING_READ:
        raise Refused(f"This study is {study.get_reading_state_display().lower()}.")
    if study.reader_id == user.pk:
        _see(study_id, user)
        return _fresh(study_id)
    raise AlreadyClaimed(study.reader)


def claim_seen(study: Study, user: Any, **origin: Any) -> bool:
    """The compare-and-set of a claim, in the caller's transaction. False where another won."""
    now = timezone.now()
    return turn(
        study,
        CLAIMED,
        where={"reading_state__in": CLAIMABLE},
        actor=user,
        action="study.claimed",
        reader=user,
        claimed_at=now,
        reader_seen_at=now,
        **origin,
    )


def release(study_id: int, who: Any, *, address: str = "", session_key: str = "") -> Study:
    """Give a claimed study back: unread again. Safe to repeat.

    The reader, or an administrator of the site for someone else, who is told. A draft is not
    released: it is discarded, or taken over. Raises Refused, NotAllowed, Study.DoesNotExist.
    """
    principal, user = acting(who)
    study = _visible(principal, study_id)
    own = study.reader_id == user.pk
    may = reads(principal, study.site_id) if own else manages(principal, study.site_id)
    if study.reading_state == ReadingState.UNREAD:
        return study
    if not may:
        raise NotAllowed("Only the reader or an administrator of the site releases a study.")
    if study.reading_state != CLAIMED:
        raise Refused(
            "There is a report of this study: discard the draft, or let another take it over."
        )
    former = study.reader_id
    with transaction.atomic():
        if not turn(
            study,
            UNREAD,
            where={"reading_state": CLAIMED, "reader": former},
            actor=user,
            action="study.released",
            detail={"reader": former, "why": "asked"},
            address=address,
            session_key=session_key,
        ):
            raise Refused("Somebody else has changed this study just now.")
        if former is not None and not own:
            notices.lost(study, former)
    return _fresh(study_id)


def take_over(study_id: int, who: Any, *, address: str = "", session_key: str = "") -> Study:
    """Read what somebody else is reading; that person is told. One that is unread is claimed.

    The state stays, a draft goes on. Raises Refused for a study that is read or that changed
    hands at the same moment, NotAllowed, Study.DoesNotExist.
    """
    user, study = _as_reader(who, study_id)
    if study.reading_state in CLAIMABLE:
        return claim(study_id, who, address=address, session_key=session_key)
    if study.reading_state not in BEING_READ:
        raise Refused(f"This study is {study.get_reading_state_display().lower()}.")
    if study.reader_id == user.pk:
        return study
    former, now = study.reader_id, timezone.now()
    with transaction.atomic():
        if not turn(
            study,
            study.reading_state,
            where={"reading_state": study.reading_state, "reader": former},
            actor=user,
            action="study.taken_over",
            detail={"from": former},
            reader=user,
            claimed_at=now,
            reader_seen_at=now,
            address=address,
            session_key=session_key,
        ):
            raise Refused("Somebody else has changed this study just now.")
        if former is not None:
            notices.lost(study, former)
    return _fresh(study_id)


def _see(study_id: int, user: Any) -> bool:
    seen = Study.objects.filter(pk=study_id, reader=user, reading_state__in=BEING_READ)
    return bool(seen.update(reader_seen_at=timezone.now()))


def seen(study_id: int, who: Any) -> bool:
    """The reader is at work: keeps the claim alive. False where `who` no longer reads it."""
    _, user = acting(who)
    return _see(study_id, user)
