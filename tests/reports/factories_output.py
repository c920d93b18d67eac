"""Signed versions, as reports.signing makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

from pacs.accounts.models import User
from reports import document
from reports.models import Report, ReportState, ReportVersion, VersionKind
from reports.output import shown
from studies import archive
from studies.dicom.payload import Payload
from studies.models import Study

SIGNED_AT = datetime(2026, 3, 18, 11, 42, 7, tzinfo=UTC)
STATES = {
    VersionKind.PRELIMINARY: ReportState.PRELIMINARY,
    VersionKind.FINAL: ReportState.FINAL,
    VersionKind.ADDENDUM: ReportState.ADDENDED,
    VersionKind.WITHDRAWAL: ReportState.WITHDRAWN,
}
SECTIONS = {
    "clinical_information": "<p>Cough for three weeks. Smoker.</p>",
    "technique": "<p>CT of the chest with 80 ml of contrast, 120 kV.</p>",
    "comparison": "<p>CT of 2025-02-11.</p>",
    "findings": (
        "<p>A nodule of <strong>12.3 mm</strong> in the right upper lobe, 9 mm before.</p>"
        "<ul><li>No effusion.</li><li>No enlarged lymph nodes.</li></ul>"
    ),
    "impression": (
        "<ol><li>Growing nodule of the right upper lobe.</li><li>PET/CT advised.</li></ol>"
    ),
}


def png(seed: int = 0, size: int = 1024) -> bytes:
    """A picture that looks like something."""
    image = Image.effect_noise((size, size), 60 + seed)
    pen = ImageDraw.Draw(image)
    pen.ellipse([size * 0.15, size * 0.25, size * 0.85, size * 0.8], fill=70 + seed, outline=200)
    pen.ellipse([size * 0.6, size * 0.4, size * 0.7, size * 0.5], fill=210)
    out = BytesIO()
    image.save(out, "PNG", compress_level=3)
    return out.getvalue()


def key_image(site_id: int, picture: bytes, number: int = 1, **fields: Any) -> dict[str, Any]:
    """A frozen key image whose picture is in the archive."""
    payload = Payload.from_bytes(picture)
    key = archive.put(payload, site_id=site_id, sha256=payload.sha256)
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "caption": f"Axial, image {number}",
        "sop_instance_uid": f"1.2.826.0.1.3680043.10.9.1.1.{number}",
        "series_instance_uid": "1.2.826.0.1.3680043.10.9.1.1",
        "frame": 1,
        "sha256": payload.sha256,
        "archive_key": key,
        **fields,
    }


def measurement(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"00000000-0000-4000-9000-{number:012d}",
        "tool": "length",
        "label": "Nodule, right upper lobe",
        "text": "12.3 mm",
        "values": [{"name": "length", "value": 12.34, "unit": "mm"}],
        **fields,
    }


def content_of(sections: dict[str, str], **fields: Any) -> dict[str, Any]:
    """A document with these texts."""
    made = document.empty("CT chest with contrast")
    titles = {**document.SECTIONS, "addendum": "Addendum"}
    made["sections"] = [
        {"key": key, "title": titles.get(key, key), "html": text, "fields": []}
        for key, text in sections.items()
    ]
    return {**made, **fields}


def version(
    study: Study,
    signer: User,
    *,
    report: Report | None = None,
    kind: str = VersionKind.FINAL,
    sections: dict[str, str] | None = None,
    key_images: Sequence[dict[str, Any]] = (),
    measurements: Sequence[dict[str, Any]] = (),
    cosigner: User | None = None,
    changed: dict[str, Any] | None = None,
    **fields: Any,
) -> ReportVersion:
    """The next signed version of a report, a new one where none is given."""
    if report is None:
        report = Report.objects.create(site=study.site, study=study, author=signer, saved_by=signer)
    before = report.versions.order_by("-number").first()
    number = 1 if before is None else before.number + 1
    signed_at = SIGNED_AT + timedelta(hours=number - 1)
    if sections is None:
        sections = {"addendum": "<p>The nodule was there in 2023 as well.</p>"}
        if kind != VersionKind.ADDENDUM:
            sections = SECTIONS
    content = {
        **content_of(sections),
        **shown.facts_now(study),
        "kind": str(kind),
        "number": number,
        "signed_at": signed_at.isoformat(),
        "signer": {"id": signer.pk, "name": str(signer)},
        "cosigner": {"id": cosigner.pk, "name": str(cosigner)} if cosigner else None,
        "key_images": list(key_images),
        "measurements": list(measurements),
        "addends": before.number if before and kind == VersionKind.ADDENDUM else None,
        **fields,
        **(changed or {}),
    }
    content_sha256 = document.content_hash(content)
    previous = before.chain_sha256 if before else document.GENESIS
    made = ReportVersion.objects.create(
        report=report,
        number=number,
        kind=kind,
        content=content,
        content_sha256=content_sha256,
        previous_sha256=previous,
        chain_sha256=document.chain_hash(previous, content_sha256),
        signer=signer,
        cosigner=cosigner,
        signed_at=signed_at,
        text=" ".join(sections.values()),
    )
    report.state = STATES[VersionKind(kind)]
    report.save()
    return made


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
