"""What can be corrected: attributes of Patient and Study, their columns, and what is a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pydicom.datadict import tag_for_keyword

from studies.corrections.errors import WrongValue
from studies.models import Series, Study
from studies.services.columns import day_of

SEXES: Final = ("", "M", "F", "O")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")


@dataclass(frozen=True, slots=True)
class Attribute:
    """`length`: characters of the value (of a group of a name) as PS3.5 6.2 has it."""

    keyword: str
    label: str
    column: str
    vr: str
    length: int
    of_patient: bool = False

    @property
    def tag(self) -> int:
        return tag_for_keyword(self.keyword) or 0


ATTRIBUTES: Final = (
    Attribute("PatientName", "Patient's name", "patient_name", "PN", 64, of_patient=True),
    Attribute("PatientID", "Patient ID", "patient_id", "LO", 64, of_patient=True),
    Attribute(
        "IssuerOfPatientID", "Issuer of the ID", "issuer_of_patient_id", "LO", 64, of_patient=True
    ),
    Attribute("PatientBirthDate", "Born", "patient_birth_date", "DA", 8, of_patient=True),
    Attribute("PatientSex", "Sex", "patient_sex", "CS", 16, of_patient=True),
    Attribute("StudyDescription", "Description", "study_description", "LO", 64),
    Attribute("AccessionNumber", "Accession number", "accession_number", "SH", 16),
    Attribute("StudyID", "Study ID", "study_id", "SH", 16),
    Attribute("StudyDate", "Study date", "study_date", "DA", 8),
    Attribute("StudyTime", "Study time", "study_time", "TM", 16),
    Attribute(
        "ReferringPhysicianName", "Referring physician", "referring_physician_name", "PN", 64
    ),
)
BY_KEYWORD: Final = {one.keyword: one for one in ATTRIBUTES}
OF_PATIENT: Final = tuple(one.keyword for one in ATTRIBUTES if one.of_patient)
NAME_COLUMNS: Final = ("patient_name", "patient_name_ideographic", "patient_name_phonetic")


LABELS: Final = {one.column: one.label for one in ATTRIBUTES} | {
    "patient_name_ideographic": "Name, ideographic",
    "patient_name_phonetic": "Name, phonetic",
}
"""By column of a study."""


def readable(column: str, text: str) -> str:
    """A value as people read it: dates as 2026-11-24."""
    is_date = column in ("patient_birth_date", "study_date") and len(text) == 8
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if is_date and text.isdecimal() else text


def text_of(row: Any, keyword: str) -> str:
    """The value of a study's row (or a patient's), as it stands in a file."""
    if keyword == "PatientName":
        groups = [str(getattr(row, column, "")) for column in NAME_COLUMNS]
        return "=".join(groups).rstrip("=")
    return str(getattr(row, BY_KEYWORD[keyword].column))


def columns_of(keyword: str, text: str) -> dict[str, Any]:
    """What columns of a study say once an attribute has this value."""
    if keyword == "PatientName":
        groups = [*text.split("="), "", ""][:3]
        return dict(zip(NAME_COLUMNS, (group.rstrip("^") for group in groups), strict=True))
    columns: dict[str, Any] = {BY_KEYWORD[keyword].column: text}
    if keyword == "StudyDate":
        columns["study_day"] = day_of(text)
    return columns


def checked(said: Mapping[str, str], study: Study) -> dict[str, str]:
    """The values among `said` that differ from the study's. Raises WrongValue.

    What stays as it is may be as strange as the images have it.
    """
    found: dict[str, str] = {}
    for keyword, value in said.items():
        text = _normal(value)
        if keyword == "PatientName" or BY_KEYWORD[keyword].vr == "PN":
            text = "=".join(group.rstrip("^") for group in text.split("="))
        if text != text_of(study, keyword).strip():
            new = _value(BY_KEYWORD[keyword], text)
            if new != text_of(study, keyword):  # dates are typed as 1980-03-04, and kept without -
                found[keyword] = new
    if "PatientID" in found and not found["PatientID"]:
        raise WrongValue(
            "Enter the patient's ID: images without one belong to nobody.", "PatientID"
        )
    return found


def _normal(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ").strip()


def _value(attribute: Attribute, text: str) -> str:
    name = attribute.label
    if "\\" in text or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise WrongValue(
            f"{name}: backslashes and control characters cannot be in it.", attribute.keyword
        )
    if attribute.vr == "PN":
        groups = text.split("=")
        if len(groups) > 3 or any(len(group) > attribute.length for group in groups):
            raise WrongValue(
                f"{name}: at most 64 characters in each of three groups.", attribute.keyword
            )
        if any(group.count("^") > 4 for group in groups):
            raise WrongValue(f"{name}: at most five parts between ^.", attribute.keyword)
        return text
    if len(text) > attribute.length and attribute.vr != "DA":
        raise WrongValue(
            f"{name}: at most {attribute.length} characters; these are {len(text)}.",
            attribute.keyword,
        )
    if attribute.vr == "DA" and text:
        digits = text.replace("-", "")
        day = day_of(digits) if len(digits) == 8 and digits.isdecimal() else None
        if day is None or day.year < 1850:
            raise WrongValue(f"{name}: a date as YYYY-MM-DD.", attribute.keyword)
        if attribute.keyword == "PatientBirthDate" and day > date.today():  # noqa: DTZ011 - a day
            raise WrongValue(f"{name}: this day has not come yet.", attribute.keyword)
        return digits
    if attribute.vr == "TM" and text:
        digits = text.replace(":", "")
        if not _TIME.fullmatch(digits):
            raise WrongValue(f"{name}: a time as HH:MM or HH:MM:SS.", attribute.keyword)
        return digits
    if attribute.keyword == "PatientSex" and text not in SEXES:
        raise WrongValue(f"{name}: M, F, O or nothing.", attribute.keyword)
    return text


def is_moved(study: Study, series: Series) -> bool:
    """Whether the images of a series came with another study's UID."""
    return bool(series.received_in) and series.received_in != study.study_instance_uid
