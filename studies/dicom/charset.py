"""Names for people and for search. Decoding by SpecificCharacterSet is pydicom's (PS3.5 6.1)."""

from __future__ import annotations

import unicodedata

# Letters that decompose into no base letter and accent.
FOLDED = str.maketrans(
    {
        "ß": "ss", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ł": "l", "Ł": "l", "æ": "ae",
        "Æ": "ae",
        "œ": "oe", "Œ": "oe", "ð": "d", "Ð": "d", "þ": "th", "Þ": "th", "ı": "i", "ħ": "h",
        "Ħ": "h",
    }
)  # fmt: skip


def display_name(name: str) -> str:
    """`DOE^Jane^^Dr` as `DOE, Jane, Dr` (PS3.5 6.2.1): family, given and middle, prefix, suffix."""
    family, given, middle, *rest = [*name.split("=", 1)[0].split("^"), "", "", ""][:5]
    names = " ".join(part.strip() for part in (given, middle) if part.strip())
    parts = [family.strip(), names, *(part.strip() for part in rest)]
    return ", ".join(part for part in parts if part)


def search_key(text: str) -> str:
    """Text for search: folded case, no accents, single spaces."""
    decomposed = unicodedata.normalize("NFKD", text.translate(FOLDED))
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(plain.casefold().split())
