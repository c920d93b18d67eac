"""Attribute matching by value, list, range and wildcard (PS3.4 C.2.2.2), without a database.

The functions that read a key's value raise ValueError with words for the person who sent it.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from studies.dicom.charset import name_key, search_key

_DAY = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:(?:[0-5][0-9]|60)(?:\.[0-9]{1,6})?)?)?")
_MOMENT = r"[0-9]{4,14}(?:\.[0-9]{1,6})?(?:[+-](?:0[0-9]|1[0-4])[0-5][0-9])?"
_UID = re.compile(r"[0-9.]{1,64}")
# Above every character of a date or time: 10:11 is over after 10:11:59.999999.
_END = "~"
WHOLE = frozenset({"IS", "SL", "SS", "UL", "US", "SV", "UV"})
REAL = frozenset({"DS", "FL", "FD"})


def has_wildcard(value: str) -> bool:
    return "*" in value or "?" in value


def day(text: str) -> date:
    """A DA value."""
    if _DAY.fullmatch(text):
        try:
            return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a DA has no zone
        except ValueError:
            pass
    raise ValueError("A date is YYYYMMDD, a range YYYYMMDD-YYYYMMDD.")


def days(value: str) -> tuple[date | None, date | None]:
    """First and last day of a DA value or range; None where it is open."""
    first, dash, last = value.partition("-")
    if not dash:
        return day(first), day(first)
    if not first and not last:
        raise ValueError("A range of dates has a first or a last day.")
    return day(first) if first else None, day(last) if last else None


def times(value: str) -> tuple[str | None, str | None]:
    """Bounds for comparing stored TM text with a TM value or range; None where it is open.

    A time without seconds or minutes stands for all of its minute or hour.
    """
    first, dash, last = value.partition("-")
    for text in (first, last):
        if text and not _TIME.fullmatch(text):
            raise ValueError("A time is HHMMSS, a range HHMMSS-HHMMSS.")
    if not first and not last:
        raise ValueError("A range of times has a first or a last time.")
    if not dash:
        last = first
    return _start(first) if first else None, last + _END if last else None


def _start(text: str) -> str:
    """Without zeros at the end, so that 10 is not before 100000."""
    text = re.sub(r"\.0*$", "", text)
    while text.endswith("00"):
        text = text[:-2]
    return text


def moments(value: str) -> tuple[str | None, str | None]:
    """The same for DT. Offsets from UTC are read and left aside."""
    if re.fullmatch(_MOMENT, value):
        first = last = value
    else:
        whole = re.fullmatch(f"({_MOMENT})?-({_MOMENT})?", value)
        if whole is None or value == "-":
            raise ValueError("A date and time is YYYYMMDDHHMMSS, a range has a hyphen between two.")
        first, last = whole[1] or "", whole[2] or ""
    first, last = (re.sub(r"[+-][0-9]{4}$", "", text) for text in (first, last))
    return first or None, last + _END if last else None


def uids(value: str) -> list[str]:
    """A list with backslashes or commas."""
    found = [uid.strip() for uid in re.split(r"[\\,]", value) if uid.strip()]
    if not found or not all(_UID.fullmatch(uid) for uid in found):
        raise ValueError("A UID is digits and dots, at most 64.")
    return found


def number(value: str) -> float:
    """A number, as a key of DS, IS and binary numbers."""
    if not re.fullmatch(r"[+-]?[0-9]{1,40}(?:\.[0-9]{0,40})?(?:[eE][+-]?[0-9]{1,3})?", value):
        raise ValueError("That attribute is a number.")
    return float(value)


def whole_number(value: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,40}", value):
        raise ValueError("That attribute is a whole number.")
    return int(value)


def fold_pattern(value: str) -> str:
    """A name's pattern folded as `name_key` is, with the spaces that wildcards need."""
    pieces = re.split(r"([*?])", value)
    return "".join(piece if piece in {"*", "?"} else _fold(piece) for piece in pieces).strip()


def _fold(text: str) -> str:
    spaced = text.replace("^", " ")
    core = search_key(spaced)
    if not core:
        return " " if spaced else ""
    return f"{' ' if spaced[0].isspace() else ''}{core}{' ' if spaced[-1].isspace() else ''}"


def name_patterns(value: str, *, fuzzy: bool = False) -> list[str]:
    r"""Patterns of `name_key` (see charset), all of which a name has to match.

    Case and accents do not matter; `^` separates words; groups are separated by `=`, and each may
    be any group of the name. `fuzzy`: every word begins a word of the name, in any order.
    """
    if fuzzy:
        words = search_key(re.sub(r"[\^=*?,]", " ", value)).split()
        return [f"* {word}*" for word in words]
    groups = [fold_pattern(group) for group in value.split("=")]
    return [f"*\n {group}\n*" for group in groups if group and group != "*"]


def words(pattern: str) -> list[str]:
    """Folded words, or parts of them, that text holds if it matches the pattern."""
    return search_key(re.sub(r"[*?\n^=]", " ", pattern)).split()


def wildcard(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression that never goes back over a text that it has passed."""
    first, *rest = (
        "".join("." if char == "?" else re.escape(char) for char in part)
        for part in pattern.split("*")
    )
    if not rest:
        return re.compile(first, re.DOTALL)
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.DOTALL)


class Matcher:
    """One key of any attribute, asked of elements of the DICOM JSON model."""

    def __init__(self, vr: str, value: str) -> None:
        """Raises ValueError where the value is none for the VR. An empty VR is text."""
        self._vr = vr
        self._numbers: list[float] = []
        self._range: tuple[str | None, str | None] = None, None
        self._patterns: list[re.Pattern[str]] = []
        self._uids: frozenset[str] = frozenset()
        if vr == "DA":
            first, last = days(value)
            self._range = (
                f"{first:%Y%m%d}" if first else None,
                f"{last:%Y%m%d}" if last else None,
            )
        elif vr == "TM":
            self._range = times(value)
        elif vr == "DT":
            self._range = moments(value)
        elif vr == "UI":
            self._uids = frozenset(uids(value))
        elif vr in WHOLE or vr in REAL:
            self._numbers = [number(value)]
        elif vr == "PN":
            self._patterns = [wildcard(pattern) for pattern in name_patterns(value)]
        else:
            self._patterns = [wildcard(value)]

    def accepts(self, element: Any) -> bool:
        """Whether one of the element's values matches."""
        values = element.get("Value") if isinstance(element, dict) else None
        return any(self._one(value) for value in values or () if value is not None)

    def _one(self, value: Any) -> bool:
        if self._numbers:
            return isinstance(value, int | float) and value in self._numbers
        if self._vr == "PN" and isinstance(value, dict):
            key = name_key(*(str(group) for group in value.values()))
            return all(pattern.fullmatch(key) for pattern in self._patterns)
        text = str(value)
        if self._uids:
            return text in self._uids
        if self._patterns:
            return all(pattern.fullmatch(text) for pattern in self._patterns)
        low, high = self._range
        return (low is None or text >= low) and (high is None or text <= high)
