"""The document: what a report says, as JSON. Pure; knows no Django.

A document is `{"v": 1, "title", "language", "template", "sections", "key_images",
"measurements"}`. A section is `{"key", "title", "html", "fields"}`: `html` is the restricted markup
of `reports.writing.cleaning`, a field is `{"key", "label", "kind", "unit", "value"}`. `template` is
`{"id", "version", "name"}` or None; `key_images` is a list of `{"id", "caption"}`; `measurements`
a list of ids.

What is signed is the document together with the facts it was signed on: see `frozen`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

VERSION = 1
SECTIONS = {
    "clinical_information": "Clinical information",
    "technique": "Technique",
    "comparison": "Comparison",
    "findings": "Findings",
    "impression": "Impression",
}
"""The sections of a report, by key, in their order. `addendum` is the one of an addendum."""

ADDENDUM = "addendum"
CHOICE, NUMBER, TEXT = "choice", "number", "text"
FIELD_KINDS = (CHOICE, NUMBER, TEXT)
GENESIS = "0" * 64
"""What stands before the first version of a report in its chain."""


def empty(title: str = "", language: str = "en") -> dict[str, Any]:
    """A document with every section and nothing in them."""
    return {
        "v": VERSION,
        "title": title,
        "language": language,
        "template": None,
        "sections": [
            {"key": key, "title": name, "html": "", "fields": []} for key, name in SECTIONS.items()
        ],
        "key_images": [],
        "measurements": [],
    }


def canonical(value: Any) -> bytes:
    """One spelling of JSON (RFC 8785 in spirit: sorted keys, no spaces, UTF-8), for hashing."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def content_hash(frozen: dict[str, Any]) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(frozen)).hexdigest()


def chain_hash(previous: str, content_sha256: str) -> str:
    """The link of a version: SHA-256 over the previous link and the content's hash."""
    return hashlib.sha256(f"{previous}{content_sha256}".encode("ascii")).hexdigest()
