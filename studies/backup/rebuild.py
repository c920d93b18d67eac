"""The index made anew from the files alone: when there is no copy of the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from django.conf import settings

from pacs.accounts.models import Site
from studies import archive
from studies.dicom.payload import Payload
from studies.services import ingest

BATCH = 64


@dataclass(slots=True)
class Rebuilt:
    """What became of the files."""

    stored: int = 0
    known: int = 0
    not_images: int = 0


def archived_files() -> Iterator[tuple[int, str]]:
    """Site and key of every file of the archive."""
    for key in archive.all_keys():
        yield int(key.partition("/")[0]), key


def rebuild() -> Rebuilt:
    """Index every file of the archive that is not indexed; whatever is no image stays a file.

    Sites that the database lacks are made by their number, to be named by an administrator. What
    was in quarantine before is judged anew. Safe to repeat.
    """
    tally = Rebuilt()
    batch: list[ingest.Prepared] = []
    current: Site | None = None
    for number, key in archived_files():
        if current is None or current.pk != number:
            _commit(batch, current, tally)
            current, _ = Site.objects.get_or_create(
                pk=number, defaults={"name": f"Restored site {number}", "slug": f"site-{number}"}
            )
        with archive.open_archived(key) as handle:
            payload = Payload.read(
                iter(partial(handle.read, 1 << 20), b""),
                limit=settings.MAX_INSTANCE_BYTES,
                spool_dir=ingest.spool_dir(),
            )
        try:
            batch.append(ingest.prepare(payload, source="restore", site_id=number))
        finally:
            payload.close()
        if len(batch) >= BATCH:
            _commit(batch, current, tally)
    _commit(batch, current, tally)
    return tally


def _commit(batch: list[ingest.Prepared], site: Site | None, tally: Rebuilt) -> None:
    if not batch or site is None:
        return
    for result in ingest.commit(list(batch), as_prior=True):
        tally.stored += result.outcome == "stored"
        tally.known += result.outcome == "duplicate"
        tally.not_images += result.outcome == "quarantined"
    batch.clear()
