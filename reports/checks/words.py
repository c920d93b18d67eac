"""The words of a report, by section and sentence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.writing.cleaning import plain_text

BULLET = re.compile(r"^(?:- |\d{1,3}\. )")
# A full stop that ends a sentence is followed by a capital letter; "li. Schulter" is no harm.
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ0-9\"(])|\n+")
GERMAN = re.compile(
    r"\b(?:der|die|das|und|mit|kein|keine|keinen|nach|im|des|bei|ohne|beidseits|unauffällig\w*"
    r"|rechts|links|rechte[nrsm]?|linke[nrsm]?|Z\.n\.|V\.a\.)\b",
    re.IGNORECASE,
)


def plain(html: str) -> str:
    """Text of the restricted markup of sections, a line for each block, without bullets."""
    lines = [BULLET.sub("", line.strip()) for line in plain_text(html).split("\n")]
    return "\n".join(line.replace("\t", ". ") for line in lines if line)


@dataclass(frozen=True, slots=True)
class Text:
    """Sections by key as plain text, and whether the report is German."""

    sections: Mapping[str, str]
    is_german: bool

    def sentences(self, key: str) -> list[str]:
        """The sentences of a section, in their order."""
        return [each.strip() for each in SENTENCE.split(self.sections.get(key, "")) if each.strip()]


def read(document: Mapping[str, Any]) -> Text:
    """The words of a document: each section's text with its fields before it."""
    sections: dict[str, str] = {}
    for section in document.get("sections") or []:
        fields = [
            f"{field.get('label') or field.get('key')}: {field['value']} {field.get('unit') or ''}"
            for field in section.get("fields") or []
            if field.get("value") not in (None, "")
        ]
        text = "\n".join([*(f"{line.strip()}." for line in fields), plain(section["html"] or "")])
        sections[section["key"]] = unicodedata.normalize("NFC", text.strip())
    whole = " ".join(sections.values())
    german = str(document.get("language") or "").startswith("de") or len(GERMAN.findall(whole)) > 1
    return Text(sections, german)


def folded(text: str) -> str:
    """Lower case without marks, as names are compared: Müller and MUELLER are the same."""
    text = text.casefold().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(each for each in decomposed if not unicodedata.combining(each))


def names(name: str) -> set[str]:
    """The parts of a PN (PS3.5 6.2) as they are compared, of two letters and more."""
    return {part for part in re.split(r"[\^=,\s'’.-]+", folded(name)) if len(part) > 1}
