"""A second look: does anything in the copy still say what the original said of the person?

The profile goes by attributes. A name typed into an attribute that the table does not know would
pass it; such a copy is not given out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from pydicom import Dataset
from pydicom.dataelem import DataElement

from studies.dicom.deidentify.actions import ACTIONS, Action
from studies.dicom.deidentify.profile import DATE, is_standard

NAMES = ("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName")
STAFF = ("ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName")
NUMBERS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "AdmissionID", "StudyID")
BIRTH = "PatientBirthDate"
OURS = ("PatientName", "PatientID", "DeidentificationMethod")
"""What the copy says by itself."""
TEXT = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "UR"})
NOBODY = frozenset({DATE, "anonymized", "anonymous", "none", "unknown", "removed"})
"""What stands where nothing is known, and what the copy writes itself: it tells of nobody."""
LEAST_NAME, LEAST_NUMBER = 3, 4
"""Letters of a name, characters of a number: what is shorter is found everywhere."""
LEAST_IDEOGRAPHS = 2
FIRST_WITHOUT_VOWELS = "\u0900"
"""Indic scripts, Thai and all that follow: without its signs a name has two letters."""
FIRST_IDEOGRAPH = "\u2e80"
"""Chinese, Japanese and Korean names have two letters and stand in sentences without spaces."""


def identifiers(dataset: Dataset) -> frozenset[str]:
    """What the original says of the person, in lower case; to be asked before it is cleaned."""
    found: set[str] = set()
    for element in _all(dataset):
        if element.keyword in NAMES + STAFF:
            for value in _values(element):
                words = re.findall(r"\w+", _folded(value))
                found.update(word for word in words if len(word) >= LEAST_NAME or _is_short(word))
        elif element.keyword in NUMBERS:
            found.update(_folded(value) for value in _values(element))
        elif element.keyword == BIRTH:
            found.update(_values(element))
        elif ACTIONS.get(int(element.tag)) is Action.MAP:
            uids = _values(element)
            found.update(each for each in uids if not is_standard(each, is_instance=True))
    found -= NOBODY
    return frozenset(each for each in found if len(each) >= LEAST_NAME or _is_short(each))


def leaking(dataset: Dataset, said: frozenset[str]) -> str:
    """The keyword of the first attribute of the copy that says one of these; "" for none."""
    words = {each for each in said if each.isalpha()}
    signs = {each for each in words if each[0] >= FIRST_IDEOGRAPH}
    others = {each for each in said if not each.isalpha() and len(each) >= LEAST_NUMBER}
    for element in _all(dataset):
        if element.keyword in OURS:
            continue
        for value in _values(element):
            text = _folded(value)
            if element.VR in TEXT:
                inside = words.intersection(re.findall(r"[^\W\d_]+", text))
                if (
                    inside
                    or any(each in text for each in signs)
                    or any(_stands_in(each, text) for each in others)
                ):
                    return str(element.keyword)
            elif element.VR in ("UI", "DA", "DT") and any(
                text == each or (element.VR == "DT" and text.startswith(each)) for each in others
            ):
                return str(element.keyword)
    return ""


def _folded(text: str) -> str:
    """The same for the same word, however its accents and vowel signs are written."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(each for each in parts if unicodedata.category(each)[0] != "M")
    return unicodedata.normalize("NFC", bare)


def _is_short(word: str) -> bool:
    """Whether it is a whole name for all that it is short."""
    return len(word) >= LEAST_IDEOGRAPHS and word[0] >= FIRST_WITHOUT_VOWELS


def _stands_in(number: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(number)}(?!\w)", text) is not None


def _all(dataset: Dataset) -> Iterator[DataElement]:
    """Every element that can be read, those in sequences too."""
    for tag in list(dataset.keys()):
        element = _read(dataset, tag)
        if element is None:
            continue
        if element.VR == "SQ":
            for item in element.value:
                yield from _all(item)
        else:
            yield element


def _read(dataset: Dataset, tag: Any) -> DataElement | None:
    try:
        element: DataElement = dataset[tag]
    except Exception:
        return None
    return element


def _values(element: DataElement) -> list[str]:
    if element.value is None or isinstance(element.value, bytes):
        return []
    values = element.value if element.VM > 1 else [element.value]
    return [text for text in (str(value).strip(" \0^") for value in values) if text]
