"""Sizes and densities that no body has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reports.checks.finding import WARNING, Finding
from reports.checks.words import Text

NUMBER = r"\d+(?:[.,]\d+)?"
LENGTH = re.compile(rf"((?:{NUMBER}\s*[x×*]\s*)*{NUMBER})\s*(mm|cm|m)\b")
DENSITY = re.compile(rf"(-?{NUMBER})\s*(?:HU|HE)\b")
PERCENT = re.compile(rf"({NUMBER})\s*%")
MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1000.0}

# The largest that is believed without asking, in mm, by what the sentence is about.
LARGEST = (
    (re.compile(r"adenom\w*|schwannom\w*", re.IGNORECASE), 120),
    (re.compile(r"\bduct\w*|choledoch\w*|-?gang\b", re.IGNORECASE), 60),
    (re.compile(r"append\w*", re.IGNORECASE), 150),
    (re.compile(r"stone|calcul\w*|stein\w*|konkrement\w*", re.IGNORECASE), 120),
    (re.compile(r"nodul\w*|knoten|rundherd\w*|polyp\w*", re.IGNORECASE), 120),
    (re.compile(r"aneurysm\w*", re.IGNORECASE), 180),
    (re.compile(r"node|lymphknoten", re.IGNORECASE), 200),
    (re.compile(r"mass|cyst|lesion|tumou?r|zyste\w*|herd|läsion\w*", re.IGNORECASE), 450),
)
ANYTHING = 1000
LONG = re.compile(r"height|length of|leg|bowel|range|distance|größe|länge|abstand", re.IGNORECASE)
DENSITIES = (-1100.0, 4000.0)
FRACTION = re.compile(r"stenos\w*|ejection|\bEF\b|involv\w*|stenose\w*", re.IGNORECASE)


def check(text: Text, document: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[Finding]:
    for key in text.sections:
        if key == "clinical_information":
            continue
        for sentence in text.sentences(key):
            for words in implausible(sentence):
                yield Finding("quantity", WARNING, f"“{words}” is hardly possible.", key)


def implausible(sentence: str) -> Iterator[str]:
    """The quantities of a sentence that are too large or small, as they are written."""
    limit = next((most for about, most in LARGEST if about.search(sentence)), ANYTHING)
    for found in LENGTH.finditer(sentence):
        values = [_number(each) for each in re.findall(NUMBER, found.group(1))]
        largest = max(values) * MILLIMETRES[found.group(2)]
        if largest > limit and not (limit == ANYTHING and LONG.search(sentence)):
            yield found.group(0)
    for found in DENSITY.finditer(sentence):
        if not DENSITIES[0] <= _number(found.group(1)) <= DENSITIES[1]:
            yield found.group(0)
    if FRACTION.search(sentence):
        for found in PERCENT.finditer(sentence):
            if _number(found.group(1)) > 100:
                yield found.group(0)


def _number(text: str) -> float:
    return float(text.replace(",", "."))
