"""PDFs that come before the message that tells whose they are: kept by site, sender and digest."""

from __future__ import annotations

from django.db import transaction

from pacs import audit
from pacs.accounts.models import Site
from reports.attachments import content
from reports.attachments.models import ReceivedDocument
from studies.backup import enrolment
from studies.dicom.payload import Payload

MOST_BYTES = 20 * 2**20


class MissingDocument(Exception):
    """A message names a PDF that nobody left here: it has to be left first."""


def keep(site: Site, source: str, payload: Payload, *, address: str = "") -> bool:
    """Keep the bytes; False where they are here already. On the disk when it returns."""
    if _known(site, source, payload.sha256) is not None:
        return False
    key = enrolment.keep(payload, site_id=site.pk)
    try:
        is_whole = content.media_type(bytes(payload.data)) == content.PDF
    except content.NotTaken:
        is_whole = False
    with transaction.atomic():
        _, made = ReceivedDocument.objects.get_or_create(
            site=site,
            source=source,
            file_sha256=payload.sha256,
            defaults={"file_size": len(payload), "archive_key": key, "is_whole": is_whole},
        )
        if made:
            audit.record(
                "report.document_received",
                site=site.pk,
                address=address,
                detail={"source": source, "sha256": payload.sha256, "bytes": len(payload)},
            )
    return bool(made)


def find(site: Site, source: str, sha256: str) -> ReceivedDocument:
    """Raises MissingDocument."""
    found = _known(site, source, sha256)
    if found is None:
        raise MissingDocument
    return found


def _known(site: Site, source: str, sha256: str) -> ReceivedDocument | None:
    return ReceivedDocument.objects.filter(site=site, source=source, file_sha256=sha256).first()
