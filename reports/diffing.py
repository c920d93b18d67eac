"""What changed between two versions of a report, section by section and word by word. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reports.writing.cleaning import field_text, plain_text

SAME, ADDED, REMOVED = "same", "added", "removed"
MOST_WORDS = 4000
"""Of a section; longer ones that differ are shown whole, removed and added."""

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Change:
    """A stretch of text and whether it is in both versions, only in the later, only in the
    earlier one."""

    what: str
    text: str


@dataclass(frozen=True, slots=True)
class SectionDiff:
    """A section of either version; `changes` in reading order."""

    title: str
    changes: list[Change]

    @property
    def is_changed(self) -> bool:
        return any(each.what != SAME for each in self.changes)


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[SectionDiff]:
    """Every section that either document has, in the order of the later one."""
    old, new = _sections(before), _sections(after)
    keys = [*new, *(key for key in old if key not in new)]
    found = []
    for key in keys:
        title = (new.get(key) or old[key])[0]
        changes = list(words(old.get(key, ("", ""))[1], new.get(key, ("", ""))[1]))
        if changes:
            found.append(SectionDiff(title, changes))
    return found


def words(before: str, after: str) -> Iterator[Change]:
    """The stretches of two texts, words and signs being the smallest pieces."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    if old == new:
        if new:
            yield Change(SAME, after)
        return
    if max(len(old), len(new)) > MOST_WORDS:
        if before:
            yield Change(REMOVED, before)
        if after:
            yield Change(ADDED, after)
        return
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for operation, a, b, c, d in matcher.get_opcodes():
        if operation == "equal":
            yield Change(SAME, "".join(new[c:d]))
            continue
        if b > a:
            yield Change(REMOVED, "".join(old[a:b]))
        if d > c:
            yield Change(ADDED, "".join(new[c:d]))


def _sections(content: dict[str, Any]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    if title := str(content.get("title") or ""):
        found["\0title"] = ("Title", title)
    for number, section in enumerate(content.get("sections") or []):
        lines = [field_text(each) for each in section.get("fields") or []]
        lines.append(plain_text(str(section.get("html") or "")))
        text = "\n".join(line for line in lines if line)
        key = str(section.get("key") or number)
        found[key] = (str(section.get("title") or "Section"), text)
    for name, title in (("key_images", "Key images"), ("measurements", "Measurements")):
        lines = []
        for each in content.get(name) or []:
            if isinstance(each, dict):
                lines.append(
                    " ".join(str(each.get(key) or "") for key in ("label", "caption", "text"))
                )
        if text := "\n".join(line.strip() for line in lines):
            found[f"\0{name}"] = (title, text)
    return found
