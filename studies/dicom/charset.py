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


def name_key(*groups: str) -> str:
    r"""A name's component groups for matching: each folded, as `\n doe jane`, and `\n` at the end.

    So `\n doe jane\n` is a whole group, `\n doe` its beginning and ` jane` the beginning of a word.
    Empty for a name of nothing. A group ends after 128 characters (PS3.5 6.2 allows 64).
    """
    folded = (search_key(group.replace("^", " ").replace("=", " "))[:128] for group in groups)
    kept = [f"\n {group}" for group in folded if group]
    return "".join(kept) + "\n" if kept else ""
