"""Text of attributes as the index's columns hold it."""

from __future__ import annotations

import contextlib
from datetime import date, datetime
from typing import Any

from studies.dicom.charset import search_key


def clip(text: str, length: int) -> str:
    """Text that fits its column; the document and the file keep it whole."""
    return text.replace("\x00", "")[:length]


def day_of(text: str) -> date | None:
    """The date of a DA value (PS3.5 6.2), or None where it is none."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(text[:8], "%Y%m%d").date()  # noqa: DTZ007 - a DA has no zone
    return None


def search_text(study: Any) -> str:
    """What a search for text looks at: name, ID, accession number and description, folded."""
    words = [
        study.patient_name.replace("^", " ").replace("=", " "),
        study.patient_name_ideographic,
        study.patient_name_phonetic,
        study.patient_id,
        study.accession_number,
        study.study_description,
    ]
    return clip(search_key(" ".join(words)), 1200)
