"""What is missing or not allowed: text, an impression, required fields, values out of their range,
placeholders that nobody filled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reports.checks.finding import BLOCKING, WARNING, Finding
from reports.checks.words import Text

SAYS = re.compile(r"[^\W_]")
PLACEHOLDER = re.compile(
    r"_{3,}|\?{3,}|\*{3,}|\{\{.*?\}\}|\{[A-Za-z_ ]+\}|<[A-Za-zÄÖÜäöü_ ]+>|\[\s*\]|\$\w+"
    r"|\[[^\W\d_][^\[\]\d]*(?:[/|][^\[\]\d]+)+\]"
    r"|\b[Xx]{2,}\b(?=\s*(?:mm|cm|ml|l|%|HU|°)\b)|\bXX+\b(?!\s*(?:chromo|karyo|female))"
    r"|\b(?:TBD|TODO|to be completed|bitte ergänzen)\b"
)


def check(text: Text, document: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[Finding]:
    if not any(SAYS.search(each) for each in text.sections.values()):
        yield Finding("empty", BLOCKING, "There is no text to sign.")
        return
    if "impression" in text.sections and not SAYS.search(text.sections["impression"]):
        yield Finding("empty-impression", WARNING, "The impression is empty.", "impression")
    yield from _required(document, facts)
    for section, words in facts.get("objections") or []:
        yield Finding("out-of-range", WARNING, words, section)
    for key, whole in text.sections.items():
        for found in PLACEHOLDER.finditer(whole):
            yield Finding(
                "placeholder", WARNING, f"Not filled in: “{found.group(0).strip()[:40]}”.", key
            )


def _required(document: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[Finding]:
    sections = {section["key"]: section for section in document.get("sections") or []}
    for wanted in facts.get("required") or []:
        section = sections.get(wanted["section"]) or {}
        if wanted.get("key") is None:
            empty = not SAYS.search(section.get("html") or "")
        else:
            values = {field["key"]: field.get("value") for field in section.get("fields") or []}
            empty = values.get(wanted["key"]) in (None, "")
        if empty:
            yield Finding(
                "required",
                BLOCKING,
                f"The template asks for “{wanted['label']}”.",
                wanted["section"],
            )
