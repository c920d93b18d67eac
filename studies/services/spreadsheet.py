"""The worklist as a file for a spreadsheet (RFC 4180), safe to open there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

from studies.models import Study

# Excel takes a file without it for the system's own character set.
BYTE_ORDER_MARK: Final = "\ufeff"
STARTS_A_FORMULA: Final = frozenset("=+-@|%\t\r\n＝＋－＠")

HEADER: Final = (
    "Priority",
    "Patient",
    "Patient ID",
    "Issuer of patient ID",
    "Birth date",
    "Sex",
    "Study date",
    "Study time",
    "Modalities",
    "Description",
    "Body part",
    "Accession number",
    "Site",
    "Images",
    "Arrival",
    "State",
    "Reader",
    "Assigned to",
    "Received",
)


def cell(value: object) -> str:
    """The text of a cell. What a spreadsheet would calculate gets an apostrophe before it.

    Spreadsheets skip blanks before a formula, and some take the wide forms of the signs.
    """
    text = str(value)
    begins = text.lstrip(" \u00a0\u3000")[:1]
    return f"'{text}" if begins and begins in STARTS_A_FORMULA else text


def _row(study: Study) -> list[object]:
    return [
        study.get_priority_display(),
        study.display_name,
        study.patient_id,
        study.issuer_of_patient_id,
        study.patient_birth_date,
        study.patient_sex,
        study.study_date,
        study.study_time,
        study.modalities,
        study.study_description,
        study.body_part_examined,
        study.accession_number,
        study.site.name,
        study.number_of_instances,
        study.get_arrival_display(),
        study.get_reading_state_display(),
        study.reader or "",
        study.assigned_to or "",
        study.received_at.isoformat(timespec="seconds"),
    ]


def as_csv(studies: Iterable[Study]) -> str:
    """One line a study, in their order; every value is quoted, line ends are CRLF."""
    out = io.StringIO()
    out.write(BYTE_ORDER_MARK)
    lines = csv.writer(out, quoting=csv.QUOTE_ALL)
    lines.writerow(HEADER)
    lines.writerows([cell(value) for value in _row(study)] for study in studies)
    return out.getvalue()
