"""Signed versions for tests of deliveries, as reports.signing makes them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.utils import timezone

from reports import document
from reports.delivery import planning
from reports.models import Report, ReportState, ReportVersion, VersionKind
from reports.signing.freezing import digest

STATE_OF = {
    VersionKind.PRELIMINARY: ReportState.PRELIMINARY,
    VersionKind.FINAL: ReportState.FINAL,
    VersionKind.ADDENDUM: ReportState.ADDENDED,
    VersionKind.WITHDRAWAL: ReportState.WITHDRAWN,
}


def frozen(
    report: Report, signer: Any, kind: str, number: int, text: str, verification: str, now: datetime
) -> dict[str, Any]:
    """The content of a version: `verify_reports` finds nothing wrong with it."""
    study = report.study
    content = document.empty("Report")
    content["sections"][-1]["html"] = f"<p>{text}</p>"
    return {
        **content,
        "report": report.pk,
        "kind": kind,
        "number": number,
        "signed_at": now.isoformat(),
        "text_sha256": digest(text),
        "verification_sha256": digest(verification),
        "signer": {"id": signer.pk, "name": str(signer)},
        "cosigner": None,
        "patient": {
            "id": study.patient_id,
            "issuer": study.issuer_of_patient_id,
            "name": study.patient_name,
            "birth_date": study.patient_birth_date,
            "sex": study.patient_sex,
        },
        "study": {
            "id": study.pk,
            "uid": study.study_instance_uid,
            "date": study.study_date,
            "time": study.study_time,
            "description": study.study_description,
            "accession_number": study.accession_number,
            "modalities": study.modalities,
            "referring_physician": study.referring_physician_name,
            "body_part": "",
        },
        "site": {
            "id": study.site_id,
            "name": study.site.name,
            "slug": study.site.slug,
            "timezone": study.site.timezone,
        },
        "key_images": [],
        "measurements": [],
        "addends": None,
        "reason": "wrong patient" if kind == VersionKind.WITHDRAWAL else "",
    }


def sign(
    study: Any,
    signer: Any,
    kind: str = "final",
    text: str = "No pneumothorax.",
    *,
    planned: bool = True,
) -> ReportVersion:
    """Sign the next version of the study's report, and plan its deliveries."""
    report = Report.objects.filter(study=study).exclude(state=ReportState.WITHDRAWN).first()
    if report is None:
        report = Report.objects.create(site=study.site, study=study, author=signer, saved_by=signer)
    last = report.versions.order_by("-number").first()
    number = last.number + 1 if last else 1
    verification, now = uuid.uuid4(), timezone.now()
    content = frozen(report, signer, kind, number, text, str(verification), now)
    sha256 = document.content_hash(content)
    previous = last.chain_sha256 if last else document.GENESIS
    version: ReportVersion = ReportVersion.objects.create(
        report=report,
        number=number,
        kind=kind,
        content=content,
        content_sha256=sha256,
        previous_sha256=previous,
        chain_sha256=document.chain_hash(previous, sha256),
        signer=signer,
        signed_at=now,
        verification=verification,
        text=text,
    )
    report.state = STATE_OF[VersionKind(kind)]
    report.save(update_fields=["state"])
    if planned:
        planning.plan(version)
    return version
