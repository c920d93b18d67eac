"""Whose report it is: names, numbers, birth dates and ages that are somebody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import Any

from reports.checks import dates
from reports.checks.finding import WARNING, Finding
from reports.checks.words import Text, folded, names

WORD = r"[A-ZÄÖÜÀ-Þ][\w'’-]+"
LABELLED_NAME = re.compile(
    r"\b(?:Patient(?:in)?(?:'s name| name|enname)?|Name|Pat\.)\s*:\s*"
    rf"({WORD}(?:,?[ ]+{WORD}){{1,3}})"
)
TITLED_NAME = re.compile(
    rf"(?:\b(?P<before>\w+)\s+)?\b(?:Mr|Mrs|Ms|Miss|Herrn?|Frau)\.?\s+(?!Dr\b|Prof\b|Kollege?)(?P<name>{WORD})"
)
# "Discussed with Mr. Jones" is a colleague.
COLLEAGUE = {"with", "by", "to", "from", "mit", "von", "durch", "an", "bei"}
LABELLED_ID = re.compile(
    r"\b(?:MRN|PID|(?:Patient(?:en)?[- ]?)?ID|Patient(?:en)?[- ]?(?:number|nummer|no\.?|nr\.?))"
    r"\s*[:#]?\s*([A-Z0-9][A-Z0-9./-]{2,}[A-Z0-9])",
)
BORN = re.compile(
    r"\b(?:DOB|born(?: on)?|date of birth|geb\.?|geboren(?: am)?|geburtsdatum)\s*:?\s*(?=\d)",
    re.IGNORECASE,
)
AGE = re.compile(
    r"\b(\d{1,3})[- ]?(?:years?[- ]old|year[- ]old|yo\b|y/o\b|y\.o\.|jährige?[nrs]?\b)",
    re.IGNORECASE,
)
RELATIVE = re.compile(
    r"\b(?:father|mother|brother|sister|husband|wife|son|daughter|family|donor|vater|mutter"
    r"|bruder|schwester|familie\w*|ehe(?:mann|frau)|fracture|scar|infarct|study|film|implant)\b",
    re.IGNORECASE,
)
SECTIONS = ("clinical_information", "technique", "comparison", "findings", "impression", "addendum")


def check(text: Text, document: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[Finding]:
    patient = facts.get("patient") or {}
    own = names(str(patient.get("name") or ""))
    for key in SECTIONS:
        whole = text.sections.get(key, "")
        yield from _names(whole, key, own)
        yield from _numbers(whole, key, str(patient.get("id") or ""))
        yield from _birth(text, key, facts)
        yield from _others(whole, key, own, patient, facts)
    if facts.get("open_patients"):
        yield Finding(
            "open-images", WARNING, "Images of another patient are open beside this report."
        )


def _names(whole: str, key: str, own: set[str]) -> Iterator[Finding]:
    if not own:
        return
    for found in LABELLED_NAME.finditer(whole):
        if not names(found.group(1)) & own:
            yield _finding("The text names another patient", found.group(1), key)
    for found in TITLED_NAME.finditer(whole):
        colleague = (found.group("before") or "").casefold() in COLLEAGUE
        if not colleague and not names(found.group("name")) & own:
            yield _finding("The text speaks of somebody else", found.group("name"), key)


def _numbers(whole: str, key: str, own: str) -> Iterator[Finding]:
    if not own:
        return
    for found in LABELLED_ID.finditer(whole):
        number = found.group(1)
        if any(each.isdigit() for each in number) and folded(number) != folded(own):
            yield _finding("The text gives another patient's number", number, key)


def _birth(text: Text, key: str, facts: Mapping[str, Any]) -> Iterator[Finding]:
    patient, study = facts.get("patient") or {}, facts.get("study") or {}
    born = dates.of_dicom(str(patient.get("birth_date") or ""))
    if born is None:
        return
    at = dates.of_dicom(str(study.get("date") or "")) or dates.today(facts)
    for sentence in text.sentences(key):
        for found in BORN.finditer(sentence):
            said = dates.readings(sentence[found.end() : found.end() + 24])
            if said and born not in said[0]:
                yield _finding("The birth date in the text is not the patient's", "", key)
        if RELATIVE.search(sentence):
            continue
        for found in AGE.finditer(sentence):
            if abs(int(found.group(1)) - years(born, at)) > 1:
                yield _finding("The age in the text is not the patient's", found.group(0), key)


def years(born: date, at: date) -> int:
    """Full years of age."""
    return at.year - born.year - ((at.month, at.day) < (born.month, born.day))


def _others(
    whole: str, key: str, own: set[str], patient: Mapping[str, Any], facts: Mapping[str, Any]
) -> Iterator[Finding]:
    """The name or number of a patient whose images are open, too."""
    words = [folded(word) for word in re.findall(r"[^\W_]+", whole)]
    pairs = {frozenset(pair) for pair in pairwise(words)}
    for other in facts.get("open_patients") or []:
        parts = names(str(other.get("name") or ""))
        number = folded(str(other.get("id") or ""))
        named = any(pair <= parts and len(pair) > 1 and not pair <= own for pair in pairs)
        numbered = len(number) > 3 and number in words and number != folded(str(patient.get("id")))
        if named or numbered:
            yield _finding("The text names the patient whose images are open, too", "", key)


def _finding(words: str, quoted: str, key: str) -> Finding:
    return Finding("identity", WARNING, f"{words}: “{quoted}”." if quoted else f"{words}.", key)
