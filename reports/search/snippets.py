"""The places of a text that a query found, for people: pieces, some of them marked. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from reports.search.words import WORD, Query
from studies.dicom.charset import search_key

BEFORE, LENGTH = 60, 240
LOOKED_AT = 60_000
ELLIPSIS = "…"
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as it was written; `is_hit` where it is what was looked for."""

    text: str
    is_hit: bool = False


def snippet(text: str, query: Query) -> list[Piece]:
    """About `LENGTH` characters around the first place, with every word of the query marked.

    The beginning of the text where no word stands in it (they were found in the title).
    """
    text = unicodedata.normalize("NFC", _SPACES.sub(" ", text[:LOOKED_AT]).strip())
    places = list(_places(text, query))
    start = max(0, places[0][0] - BEFORE) if places else 0
    if start:
        space = text.find(" ", start)
        start = space + 1 if 0 <= space < places[0][0] else start
    end = min(len(text), start + LENGTH)
    if end < len(text):
        space = text.rfind(" ", start, end)
        end = space if space > start + LENGTH // 2 else end
    return list(_pieces(text, start, end, places))


def _pieces(text: str, start: int, end: int, places: list[tuple[int, int]]) -> Iterator[Piece]:
    if start:
        yield Piece(ELLIPSIS)
    at = start
    for first, last in places:
        if last <= start or first >= end:
            continue
        if first > at:
            yield Piece(text[at:first])
        yield Piece(text[first : min(last, end)], is_hit=True)
        at = min(last, end)
    if at < end:
        yield Piece(text[at:end])
    if end < len(text):
        yield Piece(ELLIPSIS)


@lru_cache(maxsize=20_000)
def _folded(word: str) -> str:
    return search_key(word)


def _places(text: str, query: Query) -> Iterator[tuple[int, int]]:
    """Where words that belong to wanted terms stand: whole phrases, in their order."""
    tokens = [(match.start(), match.end(), _folded(match[0])) for match in WORD.finditer(text)]
    marked: set[int] = set()
    for term in query.wanted:
        size = len(term.words)
        for at in range(len(tokens) - size + 1):
            parts = [token[2] for token in tokens[at : at + size]]
            if parts[:-1] != list(term.words[:-1]):
                continue
            last = term.words[-1]
            if parts[-1] == last or (term.is_prefix and parts[-1].startswith(last)):
                marked.update(range(at, at + size))
    for at in sorted(marked):
        yield tokens[at][0], tokens[at][1]
