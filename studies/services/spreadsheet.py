"""The worklist as a file for a spreadsheet (RFC 4180), safe to open there."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final

from studies.dicom.charset import display_name
from studies.models import Study

# Excel takes a file without it for the system's own character set.
BYTE_ORDER_MARK: Final = "\ufeff"
STARTS_A_FORMULA: Final = frozenset("=+-@|%\t\r\n＝＋－＠")

Value = Callable[[Study], object]
# What each column of the list is in a file: one column or several.
COLUMNS: Final[dict[str, tuple[tuple[str, Value], ...]]] = {
    "priority": (("Priority", lambda study: study.get_priority_display()),),
    "patient": (("Patient", lambda study: study.display_name),),
    "patient_id": (
        ("Patient ID", attrgetter("patient_id")),
        ("Issuer of patient ID", attrgetter("issuer_of_patient_id")),
    ),
    "age": (
        ("Birth date", attrgetter("patient_birth_date")),
        ("Sex", attrgetter("patient_sex")),
    ),
    "study": (
        ("Study date", attrgetter("study_date")),
        ("Study time", attrgetter("study_time")),
    ),
    "modality": (("Modalities", attrgetter("modalities")),),
    "description": (("Description", attrgetter("study_description")),),
    "body_part": (("Body part", attrgetter("body_part_examined")),),
    "accession": (("Accession number", attrgetter("accession_number")),),
    "site": (("Site", attrgetter("site.name")),),
    "images": (("Images", attrgetter("number_of_instances")),),
    "arrival": (("Arrival", lambda study: study.get_arrival_display()),),
    "state": (
        ("State", lambda study: study.get_reading_state_display()),
        ("Reader", lambda study: study.reader or ""),
        ("Assigned to", lambda study: study.assigned_to or ""),
    ),
    "waiting": (("Received", lambda study: study.received_at.isoformat(timespec="seconds")),),
    "birth_date": (("Birth date", attrgetter("patient_birth_date")),),
    "referrer": (("Referrer", lambda study: display_name(study.referring_physician_name)),),
    "received": (("Received", lambda study: study.received_at.isoformat(timespec="seconds")),),
}


def cell(value: object) -> str:
    """The text of a cell. What a spreadsheet would calculate gets an apostrophe before it.

    Spreadsheets skip blanks before a formula, and some take the wide forms of the signs.
    """
    text = str(value)
    begins = text.lstrip(" \u00a0\u3000")[:1]
    return f"'{text}" if begins and begins in STARTS_A_FORMULA else text


def as_csv(studies: Iterable[Study], columns: Iterable[str]) -> str:
    """One line a study, in their order; every value is quoted, line ends are CRLF.

    `columns` are those of the list, in their order; what two of them have in common is there once.
    """
    values = dict(named for column in columns for named in COLUMNS[column])
    out = io.StringIO()
    out.write(BYTE_ORDER_MARK)
    lines = csv.writer(out, quoting=csv.QUOTE_ALL)
    lines.writerow(values)
    lines.writerows([cell(value(study)) for value in values.values()] for study in studies)
    return out.getvalue()
