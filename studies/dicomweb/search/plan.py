"""Which queries answer a search, so that an index gives the rows in the order of the answer.

Studies come newest first; where the study is given, series and instances come by number. Each site
is a query of its own, merged by the database. What few rows can match is looked up and sorted; what
many match is met soon by reading in order: without statistics SQLite cannot tell, so it is counted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from pacs.accounts.models import Site
from pacs.accounts.principal import Principal
from studies import searchindex
from studies.corrections.models import RejectedStudy
from studies.dicomweb.errors import BadRequestError
from studies.dicomweb.like import Like
from studies.dicomweb.search.keys import Level, prefix
from studies.dicomweb.search.parse import Query
from studies.models import (
    Instance,
    Series,
    Study,
    StudyDayCount,
    StudyModality,
)

MAX_PARTS = 200
JUMP_FROM = 2_000
SECONDS = 10.0
SQLITE_STEPS = 200_000
LAST = 2**31 - 1
# Keys that name few rows below a study.
BELOW = frozenset({"SeriesInstanceUID", "SOPInstanceUID"})
TOO_MUCH = "That search takes too long. Narrow it by PatientID, StudyDate or AccessionNumber."

MODELS: dict[Level, Any] = {
    Level.STUDY: Study,
    Level.SERIES: Series,
    Level.INSTANCE: Instance,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a search looks: all that the principal may see, a site of it, a study or a series."""

    principal: Principal
    slug: str | None = None
    study_pk: int | None = None
    series_uid: str | None = None


@dataclass(slots=True)
class Reach:
    """Sites seen whole, and studies by grant elsewhere."""

    sites: list[int]
    granted: QuerySet[Study] | None


def reach(scope: Scope) -> Reach:
    sites, granted = Study.objects.reach_of(scope.principal)
    if scope.slug is not None:
        named = Site.objects.filter(slug=scope.slug).values_list("id", flat=True)
        sites = sorted(set(sites) & set(named))
        granted = granted.filter(site__slug=scope.slug) if granted is not None else None
    return Reach(sites, granted)


def ordered_ids(scope: Scope, query: Query, offset: int, count: int) -> list[int]:
    """Ids of the rows found, in order. Raises BadRequestError where it takes too long."""
    if count <= 0:
        return []
    if scope.study_pk is not None:
        return _taken(query.level, [_of_study(scope, query)], offset, count, within=True)
    found = reach(scope)
    long = offset >= JUMP_FROM or (query.conditions and not query.is_exact)
    with bounded(SECONDS if long else None):
        day = None
        if _counts_days(query, found, offset):
            day, offset = _jump(query, found, offset)
            if offset < 0:
                return []
        parts = _parts(query, found)
        if day is not None:
            parts = [part.filter(sort_day__lte=day) for part in parts]
        return _taken(query.level, parts, offset, count)


def _of_study(scope: Scope, query: Query) -> QuerySet[Any]:
    at = prefix(query.level, Level.STUDY)
    rows = MODELS[query.level].objects.filter(query.condition(), **{f"{at}id": scope.study_pk})
    if scope.series_uid is not None:
        at = prefix(query.level, Level.SERIES)
        rows = rows.filter(**{f"{at}series_instance_uid": scope.series_uid})
    return rows  # type: ignore[no-any-return]


def one_of(ids: Sequence[int]) -> RawSQL:
    """A subquery of these ids, for `__in`: one parameter, however many they are."""
    if connection.vendor == "sqlite":
        return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(ids))])
    return RawSQL("SELECT unnest(%s::bigint[])", [list(ids)])


# Order


def _taken(
    level: Level,
    parts: list[QuerySet[Any]],
    offset: int,
    count: int,
    *,
    within: bool = False,
) -> list[int]:
    """Ids of the parts merged, from `offset`."""
    if not parts:
        return []
    if parts[0].model is StudyModality:
        columns: dict[str, Any] = {"day_down": F("sort_day"), "id_down": F("study_id")}
    else:
        columns = _columns(level, within)
    order = [f"-{name}" if name.endswith("_down") else name for name in columns]
    first, *others = [part.order_by().annotate(**columns).values_list(*columns) for part in parts]
    if others and connection.vendor == "postgresql":
        # SQLite merges ordered parts as they are, and takes no limit in one.
        first, *others = [part.order_by(*order)[: offset + count] for part in (first, *others)]
    merged = first.union(*others, all=True) if others else first
    return [row[-1] for row in merged.order_by(*order)[offset : offset + count]]


def _columns(level: Level, within: bool) -> dict[str, Any]:
    """What a level is sorted by; the last is the id."""
    if level is Level.STUDY:
        return {"day_down": F("sort_day"), "id_down": F("id")}
    at = prefix(level, Level.STUDY)
    columns: dict[str, Any] = {}
    if not within:
        columns = {
            "day_down": F(f"{at}sort_day"),
            "study_down": F(f"{at}id"),
        }
    if level is Level.SERIES:
        columns["place"] = Coalesce("series_number", LAST)
    else:
        columns["series_place"] = Coalesce("series__series_number", LAST)
        columns["series_pk"] = F("series_id")
        columns["place"] = Coalesce("instance_number", LAST)
    return {**columns, "pk_up": F("id")}


# Parts


def _parts(query: Query, found: Reach) -> list[QuerySet[Any]]:
    """Queries that together find everything, each row once."""
    parts = []
    if found.sites:
        few = None if query.is_exact else _few(query, found.sites)
        modalities = query.modalities if query.level is Level.STUDY else []
        if few is not None or BELOW & query.values.keys():
            parts = [_from_few(query, found.sites, few)]
        elif (
            modalities
            and not query.is_exact
            and found.granted is None
            and len(modalities) * len(found.sites) <= MAX_PARTS
        ):
            return _by_modality(query, found.sites, modalities)
        else:
            parts = _by_site(query, found.sites)
    if found.granted is not None:
        at = prefix(query.level, Level.STUDY)
        rows = MODELS[query.level].objects.filter(query.condition())
        parts.append(rows.filter(**{f"{at}id__in": found.granted.values("id")}))
    return parts


def _by_site(query: Query, sites: list[int]) -> list[QuerySet[Any]]:
    at = prefix(query.level, Level.STUDY)
    rows = MODELS[query.level].objects.filter(query.condition() & _text(query, at))
    rows = rows.exclude(**{f"{at}id__in": _rejected()})
    if len(sites) > MAX_PARTS:
        return [rows.filter(**{f"{at}site_id__in": sites})]
    return [rows.filter(**{f"{at}site_id": site}) for site in sites]


def _rejected() -> Any:
    """Ids of what no search shows: few, looked up in a list of their own."""
    return RejectedStudy.objects.order_by().values("study_id")


def _by_modality(query: Query, sites: list[int], modalities: list[str]) -> list[QuerySet[Any]]:
    condition = query.condition(Level.SERIES, without=("ModalitiesInStudy", "StudyDate"))
    rows = StudyModality.objects.filter(condition & _text(query, "study__"))
    rows = rows.exclude(study_id__in=_rejected())
    if "StudyDate" in query.conditions:
        rows = rows.filter(query.conditions["StudyDate"][1](""))
    parts = []
    for number, modality in enumerate(modalities):
        only = rows.filter(modality=modality)
        if number:
            # A study of two modalities of the list is found by the first.
            earlier = modalities[:number]
            same = StudyModality.objects.filter(study_id=OuterRef("study_id"), modality__in=earlier)
            only = only.filter(~Exists(same))
        parts += [only.filter(site_id=site) for site in sites]
    return parts


def _text(query: Query, at: str) -> Q:
    """Lets PostgreSQL use its index of text."""
    if connection.vendor != "postgresql":
        return Q()
    column = F(f"{at}search_text")
    return Q(*(Q(Like(column, f"*{word}*")) for word in query.words if len(word) > 2))


def _few(query: Query, sites: list[int]) -> Any:
    """Ids of all studies that can match, as a subquery, where they are few. SQLite only."""
    if connection.vendor != "sqlite":
        return None
    for column, start in query.prefixes:
        among = Study.objects.filter(
            site_id__in=sites, **{f"{column}__gte": start, f"{column}__lt": start + "\U0010ffff"}
        ).values("id")
        if among[: searchindex.FEW + 1].count() <= searchindex.FEW:
            return among
    return searchindex.text_candidates(query.words, searchindex.FEW, connection)


def _from_few(query: Query, sites: list[int], few: Any) -> QuerySet[Any]:
    """Studies of a subquery, or what UIDs name, by an index of their own.

    The sum hides the site from SQLite's planner, which would rather read the whole site.
    """
    at = prefix(query.level, Level.STUDY)
    rows = MODELS[query.level].objects.alias(at_site=F(f"{at}site_id") + 0)
    rows = rows.filter(query.condition(), at_site__in=sites)
    rows = rows.exclude(**{f"{at}id__in": _rejected()})
    if few is not None:
        rows = rows.filter(**{f"{at}id__in": few})
    if "SOPInstanceUID" in query.values:
        rows = rows.filter(site_id__in=sites)
    return rows  # type: ignore[no-any-return]


# Deep pages


def _counts_days(query: Query, found: Reach, offset: int) -> bool:
    return (
        query.level is Level.STUDY
        and offset >= JUMP_FROM
        and found.granted is None
        and query.conditions.keys() <= {"StudyDate"}
    )


def _jump(query: Query, found: Reach, offset: int) -> tuple[Any, int]:
    """The day where the page begins and how many of its studies come before; -1 after the end."""
    rows = StudyDayCount.objects.filter(site_id__in=found.sites)
    if "StudyDate" in query.conditions:
        rows = rows.filter(query.conditions["StudyDate"][1](""))
    days = list(
        rows.order_by("-sort_day").values_list("sort_day").annotate(Sum("number"), Count("id"))
    )
    if sum(parts for _, _, parts in days) > searchindex.FOLD_ABOVE + len(days):
        searchindex.fold_counts(connection)
    for day, number, _ in days:
        if offset < number:
            return day, offset
        offset -= number
    return None, -1


@contextlib.contextmanager
def bounded(seconds: float | None) -> Iterator[None]:
    """Ends a query that takes longer, as BadRequestError."""
    if seconds is None:
        yield
    elif connection.vendor == "sqlite":
        connection.ensure_connection()
        until = monotonic() + seconds
        raw: Any = connection.connection
        raw.set_progress_handler(lambda: monotonic() > until, SQLITE_STEPS)
        try:
            yield
        except OperationalError:
            if monotonic() > until:
                raise BadRequestError(TOO_MUCH) from None
            raise
        finally:
            raw.set_progress_handler(None, 0)
    else:
        from psycopg.errors import QueryCanceled

        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
                yield
        except OperationalError as error:
            if isinstance(error.__cause__, QueryCanceled):
                raise BadRequestError(TOO_MUCH) from None
            raise
