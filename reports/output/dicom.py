"""What our DICOM objects of a version have in common: their UIDs, whose they are, what they show.

Identity comes from the study as it is now, so that corrections reach them. UIDs come from the
version (PS3.5 B.2), so that an object made twice is the same object.
"""

from __future__ import annotations

import uuid

from pydicom.dataset import Dataset

from reports.models import ReportVersion
from studies.services import portal_objects
from studies.services.portal_objects import (
    MANUFACTURER,
    MODEL,
    UTF8,
    evidence,
    identity,
    plain_name,
)

__all__ = [
    "MANUFACTURER",
    "SERIES_NUMBERS",
    "common",
    "evidence",
    "identity",
    "moment",
    "previous",
    "saved",
    "series_uid_of",
    "signer_name",
    "uid_of",
]

SERIES_NUMBERS = {"sr": 9001, "measurements": 9002, "pdf": 9003}


def uid_of(version: ReportVersion, what: str) -> str:
    """A UID for an object of a version: always the same one (PS3.5 B.2, UUIDv5)."""
    return f"2.25.{uuid.uuid5(version.verification, what).int}"


def series_uid_of(version: ReportVersion, kind: str) -> str:
    """The series in which the objects of one kind of one report lie."""
    first = ReportVersion.objects.filter(report=version.report_id).order_by("number").first()
    return uid_of(first or version, f"series/{kind}")


def signer_name(version: ReportVersion) -> str:
    """The signer as PN: by the account where its name is still the one that signed."""
    user, frozen = version.signer, version.content.get("signer") or {}
    said = str(frozen.get("name") or user)
    if said == str(user) and user.last_name:
        return f"{user.last_name}^{user.first_name}"
    return f"{plain_name(said)}^"


def moment(version: ReportVersion) -> dict[str, str]:
    """When it was signed, in UTC: date, time and their zone (PS3.3 C.12.1.1.8)."""
    return {
        "date": f"{version.signed_at:%Y%m%d}",
        "time": f"{version.signed_at:%H%M%S}",
        "datetime": f"{version.signed_at:%Y%m%d%H%M%S}+0000",
    }


def saved(dataset: Dataset) -> bytes:
    """The data set as a file (PS3.10); the same bytes every time."""
    return portal_objects.saved(dataset, "LIGHTBOX_REPORTS")


def common(dataset: Dataset, version: ReportVersion, kind: str) -> None:
    """Times, equipment and numbers that are the same whenever an object is made."""
    when = moment(version)
    dataset.SpecificCharacterSet = UTF8
    dataset.TimezoneOffsetFromUTC = "+0000"
    dataset.InstanceCreationDate = dataset.ContentDate = dataset.SeriesDate = when["date"]
    dataset.InstanceCreationTime = dataset.ContentTime = dataset.SeriesTime = when["time"]
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, MODEL
    dataset.InstitutionName = str((version.content.get("site") or {}).get("name") or "")[:64]
    dataset.SeriesNumber, dataset.InstanceNumber = SERIES_NUMBERS[kind], version.number
    dataset.SeriesDescription = f"Report {version.report_id}"


def previous(version: ReportVersion) -> ReportVersion | None:
    """The version before, whose objects this one's take the place of."""
    return (
        ReportVersion.objects.filter(report=version.report_id, number__lt=version.number)
        .order_by("-number")
        .first()
    )
