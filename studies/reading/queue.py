"""Which study a radiologist reads next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from studies.managers import StudyQuerySet
from studies.models import Arrival, Priority, Study
from studies.reading.claims import claim_seen
from studies.reading.people import READER, acting, reads
from studies.reading.states import UNREAD

AT_ONCE = 8
ORDER = ("priority", "received_at", "id")


def _passes(user: Any) -> Iterator[Q]:
    """What is looked for, one after the other. STAT studies come first, also those that still
    arrive, and at last those that somebody else should read: they cannot wait.
    """
    mine, nobodys = Q(assigned_to=user), Q(assigned_to=None)
    others = Q(assigned_to__isnull=False) & ~mine
    stat, arriving = Q(priority=Priority.STAT), Q(arrival=Arrival.RECEIVING)
    for whose in (mine, nobodys, others):
        yield stat & ~arriving & whose
    for whose in (mine, nobodys):
        yield stat & arriving & whose
    for when in (~arriving, arriving):
        for whose in (mine, nobodys):
            yield ~stat & when & whose


def _first(studies: StudyQuerySet, sites: Iterable[int]) -> list[Study]:
    """The first few; each site is asked by its index, which gives the order within one site."""
    found: list[Study] = []
    for site in sites:
        rows = studies.filter(site_id=site).order_by(*ORDER)
        found.extend(rows.only("site_id", "patient_ref_id", *ORDER)[:AT_ONCE])
    return sorted(found, key=lambda one: (one.priority, one.received_at, one.pk))


def next_unread(
    who: Any,
    after: int | None = None,
    *,
    sites: Iterable[int] | None = None,
    modalities: Iterable[str] = (),
    address: str = "",
    session_key: str = "",
) -> Study | None:
    """Claims the unread study that `who` should read next; None where there is none.

    STAT first, then what is assigned to the person, then what is assigned to nobody; each the
    oldest first, and those whose images still arrive after the others. Studies that are assigned
    to somebody else come only if they are STAT. `after` is passed over; `sites` and `modalities`
    narrow the choice. Raises NotAllowed for nobody.
    """
    principal, user = acting(who)
    own = sorted(
        site
        for site, role in principal.roles
        if role == READER
        and reads(principal, site)
        and (sites is None or site in sites)
    )
    unread = Study.objects.visible_to(principal).filter(reading_state=UNREAD)
    if after is not None:
        unread = unread.exclude(pk=after)
    if wanted := list(modalities):
        matches = Q()
        for modality in wanted:
            matches |= Q(slashed__contains=f"/{modality}/")
        unread = unread.alias(slashed=Concat(Value("/"), F("modalities"), Value("/")))
        unread = unread.filter(matches)
    for narrower in _passes(user):
        # Whatever others have claimed meanwhile is no longer among the next few.
        while few := _first(unread.filter(narrower), own):
            for study in few:
                with transaction.atomic():
                    if claim_seen(study, user, address=address, session_key=session_key):
                        break
            else:
                continue
            return Study.objects.select_related("reader", "site").get(pk=study.pk)  # type: ignore[no-any-return]
    return None
