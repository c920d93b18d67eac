"""What people do with quarantined files: look, try again, accept, discard, tell the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from pydicom.datadict import dictionary_description

from pacs import audit, events
from pacs.accounts.models import Membership, Role
from studies import archive
from studies.backup.models import BackupState
from studies.corrections import services as corrections
from studies.dicom import gate, header
from studies.dicom.errors import WORDS, GateError, Reason
from studies.dicom.payload import Payload
from studies.errors import PermanentError
from studies.models import Instance, QuarantinedFile, Settled, Study
from studies.services import ingest

log = structlog.get_logger(__name__)
HEADER_LIMIT = 64 * 2**20
LONGEST = 200
MOST_AT_ONCE = 500
KEYWORDS = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyDate", "StudyTime", "StudyDescription", "Modality", "Manufacturer"),
    *("SeriesDescription", "SOPClassUID", "Rows", "Columns", "NumberOfFrames"),
)


class NotPossible(PermanentError):
    """In the user's words."""


@dataclass(frozen=True, slots=True)
class Done:
    """`stored`: files that are in the archive's index now; `words` say what happened."""

    words: str
    stored: int = 0


def header_of(file: QuarantinedFile) -> list[tuple[str, str]]:
    """What the header says in plain fields, each of bounded length; empty where the file cannot be
    read safely. No pixel is decoded."""
    if file.file_size > HEADER_LIMIT or not file.archive_key:
        return []
    try:
        data = archive.local_path(file.archive_key).read_bytes()
        gate.inspect(data, max_size=HEADER_LIMIT)
        dataset = header.read(data)
    except Exception as error:  # whatever is wrong with the file is why it is here
        log.info("quarantined header not shown", file=str(file.pk), error=type(error).__name__)
        return []
    found = ((keyword, getattr(dataset, keyword, None)) for keyword in KEYWORDS)
    return [
        (dictionary_description(keyword), str(value)[:LONGEST])
        for keyword, value in found
        if value not in (None, "")
    ]


def belongs_to(file: QuarantinedFile) -> Study | None:
    """The study whose patient the file contradicts, where that is why it is here."""
    if file.reason != Reason.OTHER_PATIENT or not file.study_instance_uid:
        return None
    rows = Study.objects.kept().select_related("site")
    return rows.filter(site=file.site_id, study_instance_uid=file.study_instance_uid).first()


def retry(file: QuarantinedFile, actor: Any, origin: Mapping[str, Any]) -> Done:
    """Through the one door once more. Raises NotPossible."""
    return _through(file, actor, origin, Settled.STORED)


def accept(
    file: QuarantinedFile, actor: Any, origin: Mapping[str, Any], *, reason: str, note: str
) -> Done:
    """Say that the file is of the patient whom its study belongs to: it is stored, and served with
    that patient's facts; so are others of the study with the same PatientID. Raises NotPossible,
    CorrectionError."""
    study = belongs_to(file)
    if study is None:
        raise NotPossible("Only a file that contradicts its study's patient can be accepted.")
    patient_id, issuer = _patient_in(file)
    why = corrections.Why(actor, reason, note, origin)
    corrections.accept_patient(study.pk, patient_id, issuer, why)
    alike = QuarantinedFile.objects.filter(
        site=file.site_id,
        study_instance_uid=file.study_instance_uid,
        reason=Reason.OTHER_PATIENT,
        is_open=True,
    ).order_by("received_at")[:MOST_AT_ONCE]
    stored = 0
    for one in alike:
        stored += _through(one, actor, origin, Settled.ACCEPTED).stored
    images = "image is" if stored == 1 else "images are"
    return Done(f"{stored} {images} in the study now, under its patient.", stored)


def _payload(file: QuarantinedFile) -> Payload:
    if not file.archive_key or file.settled_as == Settled.ERASED:
        raise NotPossible("The portal does not have the file: have it sent again.")
    try:
        with archive.open_file(file.archive_key) as stored:
            return Payload.read(
                iter(lambda: stored.read(1 << 20), b""),
                limit=settings.MAX_INSTANCE_BYTES,
                spool_dir=ingest.spool_dir(),
            )
    except FileNotFoundError:
        raise NotPossible("The archive has lost the file: have it sent again.") from None


def _patient_in(file: QuarantinedFile) -> tuple[str, str]:
    payload = _payload(file)
    try:
        facts = header.facts(header.read(payload.data))
    except GateError:
        raise NotPossible("The header cannot be read.") from None
    finally:
        payload.close()
    return facts.patient_id[:64], facts.issuer_of_patient_id[:64]


def _through(
    file: QuarantinedFile, actor: Any, origin: Mapping[str, Any], settled: Settled
) -> Done:
    if not file.is_open:
        raise NotPossible("Somebody has decided about this file already.")
    payload = _payload(file)
    try:
        prepared = ingest.prepare(payload, source=file.source, site_id=file.site_id)
        (result,) = ingest.commit([prepared], actor=actor, **origin)
    finally:
        payload.close()
    if result.outcome in ("quarantined", "refused"):
        words = WORDS[result.reason] if result.reason else "It is refused."
        return Done(f"Refused again. {words}")
    _settle(file, settled, actor, origin, "", action="quarantine.stored")
    words = "Stored." if result.outcome == "stored" else "It is stored already."
    return Done(words, 1)


def discard(file: QuarantinedFile, actor: Any, origin: Mapping[str, Any], *, why: str) -> Done:
    """Nobody wants it. Its bytes are kept for PACS_QUARANTINE_GRACE_DAYS. Raises NotPossible."""
    if not why.strip():
        raise NotPossible("Say why it is discarded.")
    _settle(file, Settled.DISCARDED, actor, origin, why, action="quarantine.discarded")
    return Done(f"Discarded. It can be taken back for {settings.QUARANTINE_GRACE_DAYS} days.")


def take_back(file: QuarantinedFile, actor: Any, origin: Mapping[str, Any]) -> Done:
    """A discarded file is open again. Raises NotPossible."""
    with transaction.atomic():
        if not QuarantinedFile.objects.filter(pk=file.pk, settled_as=Settled.DISCARDED).update(
            is_open=True, settled_as="", settled_at=None, settled_by=None, settled_why=""
        ):
            raise NotPossible("This file is not among the discarded ones any more.")
        _told(file, "quarantine.taken_back", actor, origin)
    return Done("It is in quarantine again.")


def _settle(
    file: QuarantinedFile,
    settled: Settled,
    actor: Any,
    origin: Mapping[str, Any],
    why: str,
    *,
    action: str,
) -> None:
    with transaction.atomic():
        if not QuarantinedFile.objects.filter(pk=file.pk, is_open=True).update(
            is_open=False,
            settled_as=settled,
            settled_at=timezone.now(),
            settled_by=actor,
            settled_why=why.strip()[:500],
        ):
            raise NotPossible("Somebody has decided about this file already.")
        _told(file, action, actor, origin)


def _told(file: QuarantinedFile, action: str, actor: Any, origin: Mapping[str, Any]) -> None:
    audit.record(
        action,
        actor=actor,
        site=file.site_id,
        detail={"file": str(file.pk), "reason": file.reason},
        **origin,
    )
    events.publish("quarantine.changed", site=file.site_id)


def erase_discarded() -> int:
    """Bytes of files that were discarded long ago go, unless something else needs them."""
    until = timezone.now() - timedelta(days=settings.QUARANTINE_GRACE_DAYS)
    due = QuarantinedFile.objects.filter(settled_as=Settled.DISCARDED, settled_at__lte=until)
    erased = 0
    for file in due.order_by("settled_at")[:MOST_AT_ONCE]:
        key = file.archive_key
        with transaction.atomic():
            if not QuarantinedFile.objects.filter(pk=file.pk, settled_as=Settled.DISCARDED).update(
                settled_as=Settled.ERASED
            ):
                continue
            needed = (
                Instance.objects.filter(archive_key=key).exists()
                or QuarantinedFile.objects.filter(archive_key=key)
                .exclude(settled_as=Settled.ERASED)
                .exists()
            )
            if not needed:
                BackupState.objects.filter(archive_key=key).delete()
            audit.record("quarantine.erased", site=file.site_id, detail={"file": str(file.pk)})
        if key and not needed:
            archive.erase(key)
        erased += 1
    return erased


# Telling the site that sent it


def ask_to_tell(file: QuarantinedFile, actor: Any, origin: Mapping[str, Any]) -> Done:
    """The site's technicians and administrators get a mail, once. Raises NotPossible."""
    if not _recipients(file):
        raise NotPossible("Nobody of this site has an e-mail address here.")
    with transaction.atomic():
        if not QuarantinedFile.objects.filter(pk=file.pk, tell_asked_at=None).update(
            tell_asked_at=timezone.now()
        ):
            raise NotPossible("The site was told already.")
        _told(file, "quarantine.site_told", actor, origin)
    return Done("The site is told by e-mail.")


def _recipients(file: QuarantinedFile) -> list[str]:
    people = Membership.objects.filter(
        site=file.site_id, role__in=(Role.TECHNICIAN, Role.SITE_ADMIN), user__is_active=True
    ).exclude(user__email="")
    return sorted({*people.values_list("user__email", flat=True)})


def tell_sites() -> int:
    """Mail what was asked for and not yet sent; what fails is tried again. How many went out."""
    rows = QuarantinedFile.objects.filter(tell_asked_at__isnull=False, told_at=None)
    sent = 0
    for file in rows.select_related("site")[:100]:
        waiting = QuarantinedFile.objects.filter(pk=file.pk, told_at=None)
        to = _recipients(file)
        if not to or not waiting.update(told_at=timezone.now()):
            continue
        lines = [
            f"A file that came from {file.site.name} was not taken into the archive.",
            f"{file.words}",
            f"It came at {file.received_at:%Y-%m-%d %H:%M} UTC from {file.source}. Please look at"
            " it, and send it again where that helps.",
        ]
        if settings.PUBLIC_URL:
            lines.append(f"{settings.PUBLIC_URL.rstrip('/')}/quarantine/{file.pk}/")
        subject = f"A file from {file.site.name} is in quarantine"
        try:
            send_mail(subject, "\n\n".join(lines) + "\n", settings.DEFAULT_FROM_EMAIL, to)
            sent += 1
        except OSError as error:
            log.warning("site not told", file=str(file.pk), error=type(error).__name__)
            QuarantinedFile.objects.filter(pk=file.pk).update(told_at=None)
    return sent


def counts(sites: Any = None) -> dict[str, int]:
    """Open files by reason code, for the status page; `sites`: ids, None for all."""
    rows: Any = QuarantinedFile.objects.filter(is_open=True)
    if sites is not None:
        rows = rows.filter(site__in=sites)
    found = rows.order_by().values_list("reason").annotate(files=Count("id"))
    return dict(found.order_by("-files", "reason"))
