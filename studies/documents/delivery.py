"""From the outbox to MongoDB: claimed by compare-and-set, repeated until it is there.

What is claimed and not finished (a kill -9) is due again when its lease is over. Two deliveries of
one document cannot undo one another: see `mongo.replace_many`.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

import structlog
from django.db.models import F, Q
from django.utils import timezone

from studies.documents import health, mongo, outbox
from studies.documents.errors import DocumentsDown
from studies.documents.models import DocumentChange, DocumentMirror
from studies.documents.mongo import Id, Stored
from studies.models import MetadataDocument

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=5)
AGAIN = timedelta(seconds=1)
AT_ONCE = 200
ENOUGH_WAITING = 5000
"""While so many wait, no more are looked for."""


def claim(number: int, token: int) -> list[DocumentChange]:
    """Up to `number` rows that are due, ours until the lease ends; no row goes to two workers."""
    now = timezone.now()
    due = DocumentChange.objects.filter(next_attempt_at__lte=now)
    wanted = list(due.order_by("next_attempt_at", "id").values_list("pk", flat=True)[:number])
    if not wanted:
        return []
    due.filter(pk__in=wanted).update(lease_token=token, next_attempt_at=now + LEASE)
    claimed = DocumentChange.objects.filter(pk__in=wanted, lease_token=token)
    return list(claimed.order_by("id"))


def is_due() -> bool:
    """Whether a worker would find something to do."""
    due = DocumentChange.objects.filter(next_attempt_at__lte=timezone.now())
    return outbox.is_on() and not health.is_paused() and due.exists()


def run(seconds: float = 20.0) -> bool:
    """Deliver for so long at most. True where there is more to do now."""
    if not outbox.is_on() or health.is_paused():
        return False
    until, token = monotonic() + seconds, secrets.randbits(62)
    while monotonic() < until:
        changes = claim(AT_ONCE, token)
        if not changes:
            return False
        try:
            _deliver(changes)
        except DocumentsDown as error:
            _ours(changes).update(
                next_attempt_at=timezone.now() + AGAIN, attempts=F("attempts") + 1, lease_token=0
            )
            health.broke(error)
            return False
        health.worked()
    return is_due()


def _ours(changes: Sequence[DocumentChange]) -> Any:
    """These rows, as far as nobody has taken them over."""
    return DocumentChange.objects.filter(
        pk__in=[change.pk for change in changes], lease_token=changes[0].lease_token
    )


def _deliver(changes: Sequence[DocumentChange]) -> None:
    ids = {(change.site_id, change.sop_instance_uid) for change in changes}
    # In this order: a change of the table after it was read leaves a change of its own behind, and
    # a delivery of it in between is noticed by the revision.
    seen = mongo.revisions(ids)
    documents = stored(ids)
    written = mongo.replace_many(documents, seen)
    gone = ids - {document.id for document in documents}
    mongo.remove_many(gone)
    ours = _ours(changes)
    newest = {(change.site_id, change.sop_instance_uid): change.pk for change in changes}
    for site_id, uids in by_site(written.done | gone).items():
        same = Q(site_id=site_id, sop_instance_uid__in=uids)
        ours.filter(same).delete()
        for kept in DocumentChange.objects.filter(same, next_attempt_at=None):
            if kept.pk < newest[site_id, kept.sop_instance_uid]:
                kept.delete()
    for site_id, uids in by_site(written.overtaken).items():
        ours.filter(site_id=site_id, sop_instance_uid__in=uids).update(
            next_attempt_at=timezone.now() + AGAIN, attempts=F("attempts") + 1
        )
    for (site_id, uid), reason in written.refused.items():
        # What MongoDB still has of it is older than the table.
        ours.filter(site_id=site_id, sop_instance_uid=uid).update(
            next_attempt_at=None, attempts=F("attempts") + 1, reason=reason[:200]
        )
        log.error("a document stays in the table alone", site=site_id, reason=reason)


def stored(ids: Collection[Id]) -> list[Stored]:
    """These documents as the table has them."""
    found = []
    for site_id, uids in by_site(ids).items():
        rows = MetadataDocument.objects.filter(site_id=site_id, sop_instance_uid__in=uids)
        found += [as_stored(row) for row in rows]
    return found


def as_stored(row: MetadataDocument) -> Stored:
    return Stored(
        row.site_id,
        row.study_instance_uid,
        row.series_instance_uid,
        row.sop_instance_uid,
        row.instance_number,
        row.pk,
        row.body,
        row.overlay,
    )


def by_site(ids: Collection[Id]) -> dict[int, list[str]]:
    """SOP Instance UIDs by site."""
    found: dict[int, list[str]] = {}
    for site_id, uid in ids:
        found.setdefault(site_id, []).append(uid)
    return found


# What MongoDB should have and has not


@dataclass(frozen=True, slots=True)
class Compared:
    """Of a slice of the table: `last` is the id where it ended, None at the table's end."""

    looked_at: int
    missing: int
    different: int
    last: int | None


def compare(after: int, limit: int, *, dry: bool = False) -> Compared:
    """Compare the table's documents after this id with MongoDB's; note what has to go there.

    Those that the outbox has already count as equal. Raises DocumentsDown.
    """
    rows = list(MetadataDocument.objects.filter(pk__gt=after).order_by("pk")[:limit])
    there = mongo.digests([(row.site_id, row.sop_instance_uid) for row in rows])
    missing, different = [], []
    for row in rows:
        found = as_stored(row)
        if found.id not in there:
            missing.append(row)
        elif there[found.id] != found.digest():
            different.append(row)
    wrong = missing + different
    known: set[Id] = set()
    for site_id, uids in by_site([(row.site_id, row.sop_instance_uid) for row in wrong]).items():
        known |= {(site_id, uid) for uid in outbox.noted_images(site_id, uids)}
    new = [row for row in wrong if (row.site_id, row.sop_instance_uid) not in known]
    if not dry:
        outbox.note([(row.site_id, row.sop_instance_uid, row.study_instance_uid) for row in new])
    fresh = {row.pk for row in new}
    return Compared(
        len(rows),
        sum(row.pk in fresh for row in missing),
        sum(row.pk in fresh for row in different),
        rows[-1].pk if len(rows) == limit else None,
    )


def watch(limit: int = 2000, *, check: bool = False) -> None:
    """Ask the server, make its index; until a first round has ended, and where `check` says so,
    compare the next part of the table.

    A server that is new to us, or was emptied, is not read from before a round has ended.
    """
    if not outbox.is_on():
        health.rows().exclude(ready_at=None, compared_up_to=0).update(
            ready_at=None, compared_up_to=0
        )
        return
    if health.is_paused():
        return
    mirror = health.row()
    try:
        mark = mongo.mark()
        if not mark or mark != mirror.mark:
            mark = secrets.token_hex(16)
            health.rows().update(mark=mark, ready_at=None, compared_up_to=0)
            mongo.prepare()
            mongo.set_mark(mark)
            mirror = health.row()
        if check or mirror.ready_at is None:
            _round(mirror, limit)
    except DocumentsDown as error:
        health.broke(error)
        return
    health.worked()


def _round(mirror: DocumentMirror, limit: int) -> None:
    """The next part of a round over the table."""
    if DocumentChange.objects.count() > ENOUGH_WAITING:
        return
    at = mirror.compared_up_to
    found = compare(at, limit)
    here = health.rows().filter(mark=mirror.mark, compared_up_to=at)
    if found.last is not None:
        here.update(compared_up_to=found.last)
    elif here.update(compared_up_to=0):
        health.rows().filter(mark=mirror.mark, ready_at=None).update(ready_at=timezone.now())
    if found.missing or found.different:
        log.warning("documents to deliver", missing=found.missing, different=found.different)
