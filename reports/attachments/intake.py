"""Reports from elsewhere that come as ORU^R01 (HL7 chapter 7): kept for their patient, shown with
the study where one fits.

Nothing is overwritten: a correction is another row, and the one before it stays with the time at
which it was replaced. What the sender withdraws is no longer shown as valid, and stays as well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from django.db import transaction

from pacs import audit, events
from pacs.accounts.models import Site
from reports.attachments import content, received, services
from reports.attachments.models import Attachment, Status
from reports.writing import characters
from studies.backup import enrolment
from studies.dicom.payload import Payload
from studies.models import Patient, Study
from studies.orders.intake import moment

MOST_TEXT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """One report (an OBR with its OBX) as the agent sends it. `pdf` is base64, `pdf_sha256` names
    one that was left before (`attachments.received`), `observed` is text as HL7 writes times,
    `status` one of `Status`."""

    patient_id: str
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    placer_order_number: str = ""
    filler_order_number: str = ""
    procedure_code: str = ""
    title: str = ""
    observed: str = ""
    status: str = "final"
    text: str = ""
    pdf: str = ""
    pdf_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Pdf:
    """A PDF of a report: its bytes, or where they are kept already."""

    sha256: str = ""
    size: int = 0
    data: bytes = b""
    archive_key: str = ""

    def __bool__(self) -> bool:
        return bool(self.sha256)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`what` is kept, corrected, withdrawn, unchanged, or refused with `why`."""

    what: str
    attachment: Attachment | None = None
    why: str = ""


def take_reports(
    site: Site, reports: list[ReportFacts], *, source: str, control_id: str, left_by: str = ""
) -> list[Outcome]:
    """Keep the reports of one message, in the caller's transaction. The same message once more
    changes nothing.

    `left_by` is who left the PDFs that are named by digest. Raises received.MissingDocument where
    one of them is not here: nothing is kept then.
    """
    with transaction.atomic():
        return [
            _take(site, facts, source, f"{control_id}|{number}", left_by)
            for number, facts in enumerate(reports)
        ]


def _take(site: Site, facts: ReportFacts, source: str, message: str, left_by: str) -> Outcome:
    source_key = "oru:" + _digest(source, message)
    known = Attachment.objects.filter(site=site, source_key=source_key).first()
    if known is not None:
        return Outcome("unchanged", known)
    text = characters.clean(facts.text)[:MOST_TEXT].strip()
    try:
        pdf = _pdf(site, facts, left_by)
    except (binascii.Error, ValueError):
        return _refused(site, source, "base64")
    except content.NotTaken:
        return _refused(site, source, "no-pdf")
    withdrawn = facts.status == Status.WITHDRAWN
    if not text and not pdf and not withdrawn:
        return _refused(site, source, "empty")
    patient, why = _patient(site, facts, make=not withdrawn)
    if patient is None:
        return _refused(site, source, why)
    report_key = _report_key(facts, source)
    before = None
    if report_key:
        before = (
            Attachment.objects.select_for_update(of=("self",))
            .filter(site=site, patient=patient, report_key=report_key, replaced_at=None)
            .order_by("-added_at")
            .first()
        )
    if withdrawn:
        return _withdraw(site, before, source)
    if before is not None and _says_the_same(before, text, pdf, facts.status):
        return Outcome("unchanged", before)
    made = _keep(site, patient, facts, text, pdf, source, source_key, report_key)
    if before is not None:
        Attachment.objects.filter(pk=before.pk).update(replaced_at=made.added_at)
    what = "corrected" if before is not None else "kept"
    _record(f"report.outside_{what}", made, source, replaces=str(before.pk) if before else None)
    return Outcome(what, made)


def _pdf(site: Site, facts: ReportFacts, left_by: str) -> Pdf:
    if facts.pdf_sha256:
        found = received.find(site, left_by, facts.pdf_sha256)
        if not found.is_whole:
            raise content.NotTaken("What was left is no whole PDF.")
        return Pdf(found.file_sha256, found.file_size, archive_key=found.archive_key)
    data = base64.b64decode(facts.pdf, validate=True) if facts.pdf else b""
    if not data:
        return Pdf()
    if content.media_type(data) != content.PDF:
        raise content.NotTaken("This is no PDF.")
    return Pdf(hashlib.sha256(data).hexdigest(), len(data), data)


def _keep(
    site: Site,
    patient: Patient,
    facts: ReportFacts,
    text: str,
    pdf: Pdf,
    source: str,
    source_key: str,
    report_key: str,
) -> Attachment:
    key = pdf.archive_key
    if pdf.data:
        key = enrolment.keep(Payload(pdf.data, pdf.sha256), site_id=site.pk)
    made: Attachment = Attachment.objects.create(
        site=site,
        patient=patient,
        study=_study(site, patient, facts.accession_number),
        kind=Attachment.Kind.OUTSIDE_REPORT,
        title=services.title_of(facts.title or "Report from elsewhere"),
        media_type=content.PDF if pdf else "text/plain",
        archive_key=key,
        file_size=pdf.size,
        file_sha256=pdf.sha256,
        text=text,
        dated=_day(facts.observed, site),
        source=source[:160],
        source_key=source_key,
        report_key=report_key,
        status=facts.status,
    )
    return made


def _withdraw(site: Site, before: Attachment | None, source: str) -> Outcome:
    if before is None:
        return _refused(site, source, "unknown-report")
    if before.status == Status.WITHDRAWN:
        return Outcome("unchanged", before)
    Attachment.objects.filter(pk=before.pk).update(status=Status.WITHDRAWN)
    before.status = Status.WITHDRAWN
    _record("report.outside_withdrawn", before, source)
    return Outcome("withdrawn", before)


def _says_the_same(before: Attachment, text: str, pdf: Pdf, status: str) -> bool:
    return (before.text, before.file_sha256, before.status) == (text, pdf.sha256, status)


def _patient(site: Site, facts: ReportFacts, *, make: bool) -> tuple[Patient | None, str]:
    """The patient of PID-3 at the site, by issuer and number, never by name; made where there is
    none. A birth date that differs is another person."""
    rows = Patient.objects.filter(site=site, patient_id=facts.patient_id).order_by("id")
    found = list(rows.filter(issuer_of_patient_id=facts.issuer_of_patient_id)[:2])
    if not found:
        # Images often name no issuer. One that does name another is somebody else's number.
        near = rows if not facts.issuer_of_patient_id else rows.filter(issuer_of_patient_id="")
        found = list(near[:2])
    if len(found) > 1:
        return None, "several-patients"
    if found:
        born = found[0].patient_birth_date
        if born and facts.patient_birth_date and born != facts.patient_birth_date:
            return None, "birth-date"
        return found[0], ""
    if not make:
        return None, "unknown-report"
    made = Patient.objects.get_or_create(
        site=site,
        patient_id=facts.patient_id,
        issuer_of_patient_id=facts.issuer_of_patient_id,
        defaults={
            "patient_name": facts.patient_name,
            "patient_birth_date": facts.patient_birth_date,
            "patient_sex": facts.patient_sex,
        },
    )[0]
    return made, ""


def _study(site: Site, patient: Patient, accession_number: str) -> Study | None:
    """The one study of the patient with this accession number; None where there is none."""
    if not accession_number:
        return None
    found = list(
        Study.objects.filter(
            site=site, patient_ref=patient, accession_number=accession_number
        ).order_by("id")[:2]
    )
    return found[0] if len(found) == 1 else None


def _report_key(facts: ReportFacts, source: str) -> str:
    """What versions of a report share: the sender's number for it, and the procedure. "" where
    the sender numbers nothing: then each message is a report of its own."""
    number = facts.filler_order_number or facts.accession_number or facts.placer_order_number
    if not number:
        return ""
    return _digest(
        source, facts.issuer_of_patient_id, facts.patient_id, number, facts.procedure_code
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _day(observed: str, site: Site) -> date | None:
    found = moment(observed, site.timezone) if observed else None
    return found.astimezone(ZoneInfo(site.timezone)).date() if found else None


def _refused(site: Site, source: str, why: str) -> Outcome:
    audit.record(
        "report.outside_refused",
        site=site,
        outcome="refused",
        detail={"why": why, "source": source},
    )
    return Outcome("refused", None, why)


def _record(action: str, made: Attachment, source: str, **detail: str | None) -> None:
    audit.record(
        action,
        site=made.site_id,
        study=made.study_id,
        patient=made.patient_id,
        detail={"attachment": str(made.pk), "source": source, **detail},
    )
    if made.study_id is not None:
        events.publish("study.changed", site=made.site_id, study=made.study_id)
