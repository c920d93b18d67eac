"""What deliveries carry, made by reports.output. One place, so that transports know no formats."""

from __future__ import annotations

from typing import Any

from reports.models import ReportVersion
from reports.output import fhir, hl7, keep
from reports.output import pdf as output
from studies import archive


def pdf(version: ReportVersion) -> bytes:
    """The PDF of a version; the same version gives the same bytes."""
    return output.pdf(version)


def sha256_of_pdf(version: ReportVersion) -> str:
    """SHA-256 of `pdf`, in hexadecimal."""
    return output.stored(version).file_sha256


def dicom_objects(version: ReportVersion) -> list[bytes]:
    """SR and encapsulated PDF as DICOM files (PS3.10), after they were stored in the study.

    The bytes as they are kept: an Orthanc that gives them back gives what is there already.
    """
    found = []
    for instance in keep.store_into_study(version):
        with archive.open_file(instance.archive_key) as file:
            found.append(file.read())
    return found


def diagnostic_report(version: ReportVersion) -> dict[str, Any]:
    """The version as FHIR R4 DiagnosticReport."""
    return fhir.diagnostic_report(version)


def oru(version: ReportVersion, *, withdrawn: bool) -> dict[str, Any]:
    """`report`, the fields, and `text` of an ORU^R01, as agents' `send-oru` takes them."""
    return hl7.oru(version, withdrawn=withdrawn, with_pdf=False)


def er7(version: ReportVersion, ends: hl7.Ends, *, withdrawn: bool, message_id: str) -> bytes:
    """The ORU^R01 itself, without its frame; `message_id` is MSH-10."""
    return hl7.er7(version, ends, withdrawn=withdrawn, message_id=message_id)
