"""A hundred planted errors and a hundred clean reports: both rates, printed and held."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reports import document
from reports.checks import BLOCKING, WARNING, check

PLANTED = Path(__file__).with_name("planted")
SECTIONS = {
    "H": "clinical_information",
    "T": "technique",
    "C": "comparison",
    "F": "findings",
    "I": "impression",
}
# The codes of findings that tell a planted error of this kind.
TOLD_BY = {
    "laterality": {"laterality", "laterality-swapped"},
    "swapped": {"laterality-swapped"},
    "sex": {"sex"},
    "identity": {"identity"},
    "open-images": {"open-images"},
    "empty-impression": {"empty-impression"},
    "required": {"required"},
    "placeholder": {"placeholder"},
    "number": {"quantity"},
    "future": {"future-comparison"},
}


class Case(NamedTuple):
    number: str
    kind: str
    document: dict[str, Any]
    facts: dict[str, Any]


def person(text: str) -> dict[str, str]:
    name, _, number = text.strip().rpartition(" ")
    return {"name": name, "id": number}


def cases(name: str) -> list[Case]:
    blocks = re.split(r"^== ", (PLANTED / name).read_text(encoding="utf-8"), flags=re.M)[1:]
    return [case(block) for block in blocks]


def case(block: str) -> Case:
    head, facts_line, *lines = block.strip().split("\n")
    number, _, kind = head.partition(" ")
    who, modality, description, sides, order = (each.strip() for each in facts_line.split("|"))
    sex, age = who.split()
    content = document.empty(description)
    by_key = {section["key"]: section for section in content["sections"]}
    facts: dict[str, Any] = {
        "patient": {
            **person("DOE^Jane 123456"),
            "sex": sex,
            "birth_date": f"{2026 - int(age)}0312",
        },
        "study": {"description": description, "date": "20261124", "modalities": modality},
        "order": {"description": order} if order else None,
        "series": [{"laterality": side.strip()} for side in sides.split(",") if side.strip()],
        "today": "2026-11-25",
        "required": [],
        "open_patients": [],
    }
    for line in lines:
        letter, _, text = line.partition(":")
        text = text.strip()
        if letter == "N":
            facts["patient"].update(person(text))
        elif letter == "O":
            facts["open_patients"].append(person(text))
        elif letter == "Q":
            facts["required"].append({"section": "findings", "key": "q", "label": text})
            field = {"key": "q", "label": text, "kind": "choice", "unit": "", "value": None}
            by_key["findings"]["fields"].append(field)
        else:
            html = text if text.startswith("<p>") else f"<p>{escape(text)}</p>"
            by_key[SECTIONS[letter]]["html"] = html
    return Case(number, kind, content, facts)


def alarms(each: Case) -> list[Any]:
    found = check(each.document, each.facts)
    return [finding for finding in found if finding.severity in (WARNING, BLOCKING)]


def test_planted_errors_are_found_and_clean_reports_left_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    planted, clean = cases("errors.txt"), cases("clean.txt")
    assert (len(planted), len(clean)) == (100, 100)
    missed = [
        f"{each.number} {each.kind}"
        for each in planted
        if not TOLD_BY[each.kind] & {finding.code for finding in alarms(each)}
    ]
    false = [f"{each.number}: {finding.words}" for each in clean for finding in alarms(each)]
    noisy = {line.partition(":")[0] for line in false}
    with capsys.disabled():
        print(f"\ndetected {100 - len(missed)}/100, false alarms {len(noisy)}/100")
        for line in (*(f"missed {each}" for each in missed), *(f"false {each}" for each in false)):
            print("  ", line)
    assert len(missed) <= 5, missed
    assert len(noisy) <= 5, false
