"""Words of a text and of a query, the same for every database. Pure.

Both are folded as names are (`studies.dicom.charset.search_key`) and cut into runs of letters and
digits here, so that SQLite and PostgreSQL index and find the same words. Characters of Chinese and
Japanese, which write no spaces, are words of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from studies.dicom.charset import search_key

LONGEST_WORD = 64
MOST_WORDS = 30_000
MOST_TERMS = 12
MOST_PHRASE = 24
LONGEST_QUERY = 400

_IDEOGRAPHS = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+")
_PART = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand next to one another; of the last one the beginning where `is_prefix`."""

    words: tuple[str, ...]
    is_prefix: bool = False
    is_negative: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All `terms` must be found, those that are negative must not."""

    terms: tuple[Term, ...]

    @property
    def wanted(self) -> list[Term]:
        return [term for term in self.terms if not term.is_negative]

    @property
    def unwanted(self) -> list[Term]:
        return [term for term in self.terms if term.is_negative]

    def __bool__(self) -> bool:
        return bool(self.wanted)


def words(text: str) -> list[str]:
    """The words of a text, folded, in their order; at most `MOST_WORDS`."""
    found = []
    for match in WORD.finditer(search_key(text)):
        found.append(match[0][:LONGEST_WORD])
        if len(found) == MOST_WORDS:
            break
    return found


def parse(text: str) -> Query:
    """A query as people type it: words (by their beginnings of two letters or more), "phrases",
    -without.

    Whatever the text is, it is a query: characters that are no letters or digits separate words
    and mean nothing to any database. Nothing but negative words finds nothing.
    """
    terms: dict[Term, None] = {}
    for minus, phrase, word in _PART.findall(text[:LONGEST_QUERY]):
        found = tuple(words(phrase or word))[:MOST_PHRASE]
        if found:
            # One letter begins too much to be searched for: it is a word.
            is_prefix = not phrase and len(found[-1]) > 1
            terms[Term(found, is_prefix=is_prefix, is_negative=bool(minus))] = None
    return Query(tuple(terms)[:MOST_TERMS])


def to_fts5(query: Query, sites: list[int] | None) -> str:
    """The query for SQLite's FTS5, every word in quotes; `sites`: None for all of them."""

    def one(term: Term) -> str:
        quoted = " ".join(term.words)
        return f'"{quoted}"{" *" if term.is_prefix else ""}'

    text = "(" + " AND ".join(one(term) for term in query.wanted) + ")"
    if query.unwanted:
        text += " NOT (" + " OR ".join(one(term) for term in query.unwanted) + ")"
    text = f"words : ({text})"
    if sites is not None:
        of_sites = " OR ".join(f'"{site}"' for site in sites)
        text += f" AND site : ({of_sites})"
    return text


def site_word(site: int) -> str:
    """What stands for a site in a tsvector; no word of a text has such a character."""
    return f"@{site}"


def to_tsquery(query: Query, sites: list[int] | None) -> str:
    """The query as the text of a PostgreSQL tsquery, every word in quotes."""

    def one(term: Term) -> str:
        quoted = [f"'{word}'" for word in term.words]
        if term.is_prefix:
            quoted[-1] += ":*"
        return "(" + " <-> ".join(quoted) + ")"

    parts = [one(term) for term in query.wanted] + [f"!{one(term)}" for term in query.unwanted]
    if sites is not None:
        parts.append("(" + " | ".join(f"'{site_word(site)}'" for site in sites) + ")")
    return " & ".join(parts)


def to_tsvector(found: list[str], site: int) -> str:
    """Words and their places as the text of a tsvector. Places end at 16,383, 256 a word."""
    places: dict[str, list[str]] = {}
    for number, word in enumerate(found, 1):
        if number <= 16_383 and len(places.setdefault(word, [])) < 256:
            places[word].append(str(number))
        else:
            places.setdefault(word, [])
    lexemes = [
        f"'{word}':{','.join(where)}" if where else f"'{word}'" for word, where in places.items()
    ]
    return " ".join([*lexemes, f"'{site_word(site)}'"])
