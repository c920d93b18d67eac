"""Search over the text of reports, in one statement with what a person may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connections, router

from pacs.accounts.principal import Principal, principal_or_none
from reports.models import Report, ReportVersion
from reports.search import table, words
from reports.search.index import text_of
from reports.search.snippets import Piece, snippet
from reports.shown import readable, sees_whole

MOST_COUNTED = 1000
MOST_OFFSET = 10_000


@dataclass(frozen=True, slots=True)
class Filters:
    """What narrows a search: a site, one modality, days of the study, a state of the report."""

    site: int | None = None
    modality: str = ""
    first_day: date | None = None
    last_day: date | None = None
    state: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A report that was found, with its study, and the place that was found in it."""

    report: Report
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Found:
    """`count` is exact up to `MOST_COUNTED`; beyond that `is_more` says that there are others."""

    hits: list[Hit]
    count: int
    is_more: bool
    query: words.Query


def search(
    who: Any, query: str, *, limit: int = 50, offset: int = 0, filters: Filters | None = None
) -> Found:
    """The reports that `who` may see and that say this, newest first, with marked snippets.

    `query`: see `words.parse`; one without words finds nothing. Counts are those of the reports
    that `who` may see: of others not even a number is told.
    """
    asked = words.parse(query)
    principal = principal_or_none(who)
    if principal is None or not asked:
        return Found([], 0, False, asked)
    if not principal.is_superuser and not principal.sites:
        return Found([], 0, False, asked)
    found = _narrowed(matching(principal, asked), filters or Filters()).values_list("id", flat=True)
    ids, counted = _page(found, min(max(offset, 0), MOST_OFFSET), limit, _sees_little(principal))
    rows = Report.objects.select_related("study", "study__site", "author").in_bulk(ids)
    return Found(
        _hits(principal, [rows[each] for each in ids if each in rows], asked),
        min(counted, MOST_COUNTED),
        counted > MOST_COUNTED,
        asked,
    )


def _page(found: Any, offset: int, limit: int, whole: bool) -> tuple[list[int], int]:
    """A page of report ids, and how many there are, counted up to one above MOST_COUNTED.

    Where much of the index is read for few reports (`whole`), it is read once for both.
    """
    if whole and offset + limit <= MOST_COUNTED:
        ids = list(found[: MOST_COUNTED + 1])
        return ids[offset : offset + limit], len(ids)
    ids = list(found[offset : offset + limit])
    if not offset and len(ids) < limit:
        return ids, len(ids)
    return ids, found.order_by().extra(order_by=())[: MOST_COUNTED + 1].count()


def _sees_little(principal: Principal) -> bool:
    """Whether it is only what was granted study by study."""
    return not principal.is_superuser and not principal.whole_sites


def matching(principal: Principal, query: words.Query) -> Any:
    """Reports visible to the principal whose words match, newest first, as a query set."""
    sqlite = connections[router.db_for_read(Report)].vendor == "sqlite"
    # The index knows sites, so that another site's reports cost nothing; `visible_to` decides.
    sites = None if principal.is_superuser else sorted(principal.sites)
    text = (words.to_fts5 if sqlite else words.to_tsquery)(query, sites)
    where = table.SQLITE_WHERE if sqlite else table.POSTGRESQL_WHERE
    visible, params = Report.objects.visible_to(principal), [text]
    if sqlite and _sees_little(principal):
        # A set made once: reading the row of every report that matches takes twice as long.
        made, more = visible.order_by().values("id").query.sql_with_params()
        where, params = [*where, table.SQLITE_ONE_OF.format(made)], [text, *more]
        visible = Report.objects.all()
    return visible.extra(  # noqa: S610 -- constants, Django's own statement and parameters
        tables=[table.NAME],
        where=where,
        params=params,
        order_by=table.SQLITE_ORDER if sqlite else table.POSTGRESQL_ORDER,
    )


def _narrowed(found: Any, filters: Filters) -> Any:
    if filters.site is not None:
        found = found.filter(site_id=filters.site)
    if filters.modality:
        found = found.filter(study__modality_rows__modality=filters.modality)
    if filters.first_day is not None:
        found = found.filter(study__sort_day__gte=filters.first_day)
    if filters.last_day is not None:
        found = found.filter(study__sort_day__lte=filters.last_day)
    if filters.state:
        found = found.filter(state=filters.state)
    return found


def _hits(principal: Principal, rows: list[Report], query: words.Query) -> list[Hit]:
    versions: dict[int, list[ReportVersion]] = {}
    found = ReportVersion.objects.filter(report__in=rows).order_by("report_id", "number")
    for each in found.defer("content"):
        versions.setdefault(each.report_id, []).append(each)
    hits = []
    for report in rows:
        shown = readable(versions.get(report.pk, []), whole=sees_whole(principal, report))
        hits.append(Hit(report, snippet(text_of(shown), query)))
    return hits
