"""What deliveries carry, made by reports.output. One place, so that transports know no formats."""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import Any

from reports.models import ReportVersion


def pdf(version: ReportVersion) -> bytes:
    """The PDF of a version; the same version gives the same bytes."""
    found: bytes = import_module("reports.output.pdf").pdf(version)
    return found


def sha256_of_pdf(version: ReportVersion) -> str:
    """SHA-256 of `pdf`, in hexadecimal."""
    return hashlib.sha256(pdf(version)).hexdigest()


def dicom_objects(version: ReportVersion) -> list[bytes]:
    """SR and encapsulated PDF as DICOM files, stored in the study as well (PS3.10)."""
    found: list[bytes] = import_module("reports.output.keep").store_into_study(version)
    return found


def diagnostic_report(version: ReportVersion) -> dict[str, Any]:
    """The version as FHIR R4 DiagnosticReport."""
    found: dict[str, Any] = import_module("reports.output.fhir").diagnostic_report(version)
    return found


def oru(version: ReportVersion, *, withdrawn: bool) -> dict[str, Any]:
    """`report`, the fields, and `text` of an ORU^R01, as agents' `send-oru` takes them."""
    found: dict[str, Any] = import_module("reports.output.hl7").oru(
        version, withdrawn=withdrawn, with_pdf=False
    )
    return found
