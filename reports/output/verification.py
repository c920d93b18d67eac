"""Is this printed report what was signed, and is it still the one? For anybody who holds it."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime

from reports import document
from reports.models import ReportState, ReportVersion, VersionKind
from reports.output.models import RenderedPdf

VALID, SUPERSEDED, WITHDRAWN, PRELIMINARY = "valid", "superseded", "withdrawn", "preliminary"
DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a stranger may know of a version: nothing of patient or finding."""

    state: str
    signed_at: datetime
    site_name: str
    timezone: str
    content_sha256: str
    pdf_sha256: str
    version: int
    study: int
    site: int

    def is_the_pdf(self, data: bytes) -> bool:
        """Whether this is, byte by byte, the PDF that the portal made."""
        return bool(self.pdf_sha256) and hashlib.sha256(data).hexdigest() == self.pdf_sha256


def verdict(token: str) -> Verdict | None:
    """What there is to say of the number in a link; None where no version has it."""
    try:
        verification = uuid.UUID(token)
    except ValueError:
        return None
    if str(verification) != token:
        return None
    version = (
        ReportVersion.objects.select_related("report__site")
        .filter(verification=verification)
        .first()
    )
    if version is None:
        return None
    pdf = RenderedPdf.objects.filter(version=version).values_list("file_sha256", flat=True)
    return Verdict(
        state=_state(version),
        signed_at=version.signed_at,
        site_name=version.report.site.name,
        timezone=version.report.site.timezone,
        content_sha256=version.content_sha256,
        pdf_sha256=pdf.first() or "",
        version=version.pk,
        study=version.report.study_id,
        site=version.report.site_id,
    )


def is_intact(version: ReportVersion) -> bool:
    """Whether content and chain are what their hashes say."""
    return (
        document.content_hash(version.content) == version.content_sha256
        and document.chain_hash(version.previous_sha256, version.content_sha256)
        == version.chain_sha256
    )


def _state(version: ReportVersion) -> str:
    if not is_intact(version):
        return DAMAGED
    if version.report.state == ReportState.WITHDRAWN or version.kind == VersionKind.WITHDRAWAL:
        return WITHDRAWN
    if version.report.versions.filter(number__gt=version.number).exists():
        return SUPERSEDED
    return PRELIMINARY if version.kind == VersionKind.PRELIMINARY else VALID
