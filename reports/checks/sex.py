"""Organs that the patient does not have, and words for the other sex."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reports.checks.finding import WARNING, Finding
from reports.checks.words import Text

SECTIONS = ("clinical_information", "technique", "findings", "impression", "addendum")
ORGANS = {
    "M": re.compile(
        r"\b(?:prostat\w*|seminal vesicles?|testis|testes|testic\w*|scrot\w*|penis|penile"
        r"|epididym\w*|spermatic|samenblasen?|hoden\w*|nebenhoden\w*|skrot\w*)\b",
        re.IGNORECASE,
    ),
    "F": re.compile(
        r"\b(?:uterus|uterine|ovar(?:y|ies|ian|ien|e|iell\w*)?|adnex\w*|endometr\w*|myometr\w*"
        r"|vagina\w*|hysterectom\w*|hysterektom\w*|fallopian|gebärmutter\w*|eierst[oö]ck\w*"
        r"|uteri(?:ne?s)?)\b",
        re.IGNORECASE,
    ),
}
NAMES = {"M": "a man", "F": "a woman"}
# Sentences on somebody else: relatives, the unborn.
SOMEBODY_ELSE = re.compile(
    r"\b(?:father|mother|brother|sister|husband|wife|son|daughter|partner|family|familial|fetus"
    r"|fetal|foetus|foetal|donor|vater|mutter|bruder|schwester|ehe(?:mann|frau)|famili\w*|fetus"
    r"|fötus|fetal\w*|spender\w*)\b",
    re.IGNORECASE,
)
PERSON = re.compile(
    r"\b\d{1,3}[- ]?(?:years?[- ]old|yo|y/o|y\.o\.|jährige?[nrs]?|jahre alte?[nrs]?)[\s,]+"
    r"(?:(?P<F>woman|female|girl|lady|patientin|frau|F\b)"
    r"|(?P<M>man|male|boy|gentleman|mann|M\b))",
    re.IGNORECASE,
)


def check(text: Text, document: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[Finding]:
    sex = str((facts.get("patient") or {}).get("sex") or "").upper()
    if sex not in ORGANS:
        return
    other = "F" if sex == "M" else "M"
    for key in SECTIONS:
        for sentence in text.sentences(key):
            if SOMEBODY_ELSE.search(sentence):
                continue
            if organ := ORGANS[other].search(sentence):
                yield Finding(
                    "sex",
                    WARNING,
                    f"“{organ.group(0)}” in the report of {NAMES[sex]}.",
                    key,
                )
            if (person := PERSON.search(sentence)) and person.group(other):
                yield Finding(
                    "sex",
                    WARNING,
                    f"“{person.group(0)}” in the report of {NAMES[sex]}.",
                    key,
                )
