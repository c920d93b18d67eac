"""Comparisons with examinations that have not been yet, and the reading of dates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

from reports.checks.finding import WARNING, Finding
from reports.checks.words import Text

MONTHS = {
    name: number
    for number, spelled in enumerate(
        (
            "january jan januar jänner",
            "february feb februar",
            "march mar märz mrz",
            "april apr",
            "may mai",
            "june jun juni",
            "july jul juli",
            "august aug",
            "september sep sept",
            "october oct oktober okt",
            "november nov",
            "december dec dezember dez",
        ),
        start=1,
    )
    for name in spelled.split()
}
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
DATE = re.compile(
    r"\b(?P<iso>\d{4})-(?P<iso_m>\d{1,2})-(?P<iso_d>\d{1,2})\b"
    r"|\b(?P<a>\d{1,2})(?P<sep>[./])(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4}|\d{2})\b"
    rf"|\b(?P<day>\d{{1,2}})\.?\s+(?P<month>{_MONTH})\.?,?\s+(?P<year>\d{{4}})\b"
    rf"|\b(?P<month2>{_MONTH})\.?\s+(?P<day2>\d{{1,2}}),?\s+(?P<year2>\d{{4}})\b"
    rf"|\b(?P<month3>{_MONTH})\.?\s+(?P<year3>\d{{4}})\b",
    re.IGNORECASE,
)
COMPARING = re.compile(
    r"\b(?:compar\w+|prior|previous\w*|since|earlier|unchanged from|vergl\w*|vorunters\w*|seit"
    r"|voraufnahme\w*)\b",
    re.IGNORECASE,
)


def of_dicom(text: str) -> date | None:
    """A DA value (PS3.5 6.2), None for what is none."""
    with suppress(ValueError):
        return datetime.strptime(text[:8], "%Y%m%d").replace(tzinfo=UTC).date()
    return None


def today(facts: Mapping[str, Any]) -> date:
    """The day that is asked on."""
    said = facts.get("today")
    return date.fromisoformat(said) if said else datetime.now(UTC).date()


def readings(text: str) -> list[set[date]]:
    """The dates in a text; one that can be read in two ways (3/4/2026) has two readings."""
    found = []
    for match in DATE.finditer(text):
        parts = {name: value for name, value in match.groupdict().items() if value}
        dates = set(_read(parts))
        if dates:
            found.append(dates)
    return found


def _read(parts: dict[str, str]) -> Iterator[date]:
    tries: list[tuple[int, int, int]] = []
    if "iso" in parts:
        tries = [(int(parts["iso"]), int(parts["iso_m"]), int(parts["iso_d"]))]
    elif "a" in parts:
        year = int(parts["y"]) + (2000 if len(parts["y"]) == 2 else 0)
        first, second = int(parts["a"]), int(parts["b"])
        tries = [(year, second, first)]
        if parts["sep"] == "/":
            tries.append((year, first, second))
    elif "month" in parts:
        tries = [(int(parts["year"]), MONTHS[parts["month"].casefold()], int(parts["day"]))]
    elif "month2" in parts:
        tries = [(int(parts["year2"]), MONTHS[parts["month2"].casefold()], int(parts["day2"]))]
    elif "month3" in parts:
        tries = [(int(parts["year3"]), MONTHS[parts["month3"].casefold()], 1)]
    for each in tries:
        with suppress(ValueError):
            yield date(*each)


def check(text: Text, document: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[Finding]:
    now = today(facts)
    for key in ("comparison", "findings", "impression", "addendum"):
        for sentence in text.sentences(key):
            if key != "comparison" and not COMPARING.search(sentence):
                continue
            # Future only where every reading of it is.
            if any(min(dates) > now for dates in readings(sentence)):
                yield Finding(
                    "future-comparison", WARNING, "It is compared with a date to come.", key
                )
