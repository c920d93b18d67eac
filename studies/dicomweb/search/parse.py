"""A query string of QIDO-RS (PS3.18 8.3.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar
from urllib.parse import parse_qsl

from django.db.models import Q
from pydicom.datadict import dictionary_VR

from studies.dicom import matching
from studies.dicomweb.errors import BadRequestError
from studies.dicomweb.search import keys
from studies.dicomweb.search.keys import BY_KEYWORD, BY_PATH, MOMENTS, Condition, Level, prefix

MAX_RESULTS = 1000
MAX_OFFSET = 10**9
MAX_PARAMETERS = 100
MAX_VALUE = 4096
NAME = re.compile(r"[A-Za-z0-9.]{1,200}")
# Text that `Study.search_text` holds folded: an index finds it by parts.
IN_SEARCH_TEXT = ("PatientName", "PatientID", "AccessionNumber", "StudyDescription")
EXACT = ("StudyInstanceUID", "PatientID", "AccessionNumber", "StudyID")

T = TypeVar("T")


@dataclass(slots=True)
class Query:
    """A parsed query string. `values` are the keys of the index, `others` any other attributes.

    `included` are the paths of includefield.
    """

    level: Level
    values: dict[str, str] = field(default_factory=dict)
    others: dict[tuple[str, ...], matching.Matcher] = field(default_factory=dict)
    included: list[tuple[str, ...]] = field(default_factory=list)
    include_all: bool = False
    limit: int = MAX_RESULTS
    offset: int = 0
    fuzzy: bool = False
    conditions: dict[str, tuple[Level, Condition]] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """What was searched by, without the values."""
        return sorted([*self.values, *(".".join(path) for path in self.others)])

    def condition(self, resource: Level | None = None, *, without: tuple[str, ...] = ()) -> Q:
        """All conditions of the index, for rows of `resource`."""
        level = resource or self.level
        found = Q()
        for keyword, (of, condition) in self.conditions.items():
            if keyword not in without:
                found &= condition(prefix(level, of))
        return found

    @property
    def is_exact(self) -> bool:
        """Whether an index names the few studies that can match."""
        return any(
            keyword in self.values and not matching.has_wildcard(self.values[keyword])
            for keyword in EXACT
        )

    @property
    def words(self) -> list[str]:
        """What `search_text` of every study found holds."""
        return [
            word
            for keyword in IN_SEARCH_TEXT
            if keyword in self.values
            for word in matching.words(self.values[keyword])
        ]

    @property
    def prefixes(self) -> list[tuple[str, str]]:
        """Columns that have an index, and what they begin with."""
        found = []
        for keyword, column in (("PatientID", "patient_id"), ("AccessionNumber", ACCESSION)):
            start = re.split(r"[*?]", self.values.get(keyword, ""), maxsplit=1)[0]
            if start:
                found.append((column, start))
        return found

    @property
    def days(self) -> tuple[date | None, date | None]:
        """The first and last study date that can match."""
        value = self.values.get("StudyDate")
        return matching.days(value) if value else (None, None)

    @property
    def modalities(self) -> list[str]:
        value = self.values.get("ModalitiesInStudy")
        return sorted(set(keys.modalities(value))) if value else []


ACCESSION = "accession_number"


def parse(query_string: bytes, level: Level) -> Query:
    """A query string for rows of a level. Raises BadRequestError in plain words."""
    query = Query(level)
    try:
        pairs = parse_qsl(
            query_string.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise BadRequestError("The query is no UTF-8 query string.") from None
    seen: set[tuple[str, ...]] = set()
    for name, value in pairs:
        if "\x00" in value or len(value) > MAX_VALUE:
            raise BadRequestError("A value of the query is not text, or too long.")
        if not _is_option(query, name, value):
            _take_key(query, seen, name, value)
    _make_conditions(query)
    return query


def _is_option(query: Query, name: str, value: str) -> bool:
    if name == "limit":
        query.limit = min(_count(value, "limit"), MAX_RESULTS)
    elif name == "offset":
        query.offset = _count(value, "offset")
    elif name == "includefield":
        for one in value.split(","):
            _include(query, one.strip())
    elif name == "fuzzymatching":
        if value.lower() not in {"true", "false"}:
            raise BadRequestError("fuzzymatching is true or false.")
        query.fuzzy = value.lower() == "true"
    else:
        return False
    return True


def _count(value: str, name: str) -> int:
    if not value.isdecimal() or not value.isascii() or len(value) > 10 or int(value) > MAX_OFFSET:
        raise BadRequestError(f"{name} is a whole number from 0.")
    return int(value)


def _include(query: Query, name: str) -> None:
    """`all`, a keyword, a tag, or a path of them."""
    if name.lower() == "all":
        query.include_all = True
        return
    path = keys.path(name)
    if path is None:
        raise BadRequestError("includefield takes all, keywords and tags.")
    query.included.append(path)


def _take_key(query: Query, seen: set[tuple[str, ...]], name: str, value: str) -> None:
    path = keys.path(name)
    if path is None:
        shown = name if NAME.fullmatch(name) else "A parameter"
        raise BadRequestError(f"{shown} is no attribute: send a keyword, a tag or a path of them.")
    keyword = BY_PATH.get(path)
    key = BY_KEYWORD[keyword] if keyword else None
    if key is not None and key.level > query.level:
        raise BadRequestError(f"{keyword} is a key of {key.level.plural}: search there.")
    if path in seen and not (key and key.is_list):
        raise BadRequestError("A parameter of the query comes twice.")
    seen.add(path)
    if value in {"", "*"}:
        return
    if keyword is None:
        query.others[path] = _read(lambda: matching.Matcher(_vr(path[-1]), value))
    elif keyword in query.values:
        query.values[keyword] += f",{value}"
    else:
        query.values[keyword] = value


def _vr(tag: str) -> str:
    try:
        return dictionary_VR(int(tag, 16)).split(" ")[0]
    except KeyError:
        return ""


def _read(make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as error:
        raise BadRequestError(str(error)) from None


def _make_conditions(query: Query) -> None:
    for keyword, value in query.values.items():
        key = BY_KEYWORD[keyword]
        if keyword == "PatientName" and query.fuzzy:
            patterns = matching.name_patterns(value, fuzzy=True)
            condition = keys.name_condition("name_key", patterns)
        else:
            condition = _read(lambda key=key, value=value: key.read(value))  # type: ignore[misc]
        query.conditions[keyword] = (key.level, condition)
    for day, (time, level, day_column, time_column) in MOMENTS.items():
        if day in query.values and "-" in query.values.get(time, ""):
            query.conditions[time] = (
                level,
                keys.moment_range(day_column, time_column, query.values[day], query.values[time]),
            )
