"""The numbers of the statistics page, each by one statement of the database.

Sites are taken together by time zone, because a day begins at another moment in each. Reports that
count are final and not withdrawn; their turnaround runs from the study's arrival to the first
final signature. Studies that need no reading are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections, router

from pacs.accounts.models import Site
from reports.models import READABLE, Report
from reports.statistics.spans import Range, midnight
from studies.models import Priority, ReadingState

# What is no examination of its own.
NO_MODALITY = ("SR", "PR", "KO", "SEG", "DOC", "AU", "OT", "REG", "RTSTRUCT")
GROUPS = ("all", "site", "modality", "radiologist", "priority")
PRIORITIES = {each.value: each.label for each in Priority}


@dataclass(frozen=True, slots=True)
class Turnaround:
    """Of a group: how many reports, and minutes that half and nine tenths of them took at most."""

    group: str
    name: str
    count: int
    median: float
    p90: float


@dataclass(frozen=True, slots=True)
class Span:
    """A day or week: studies received, reports finished, and studies waiting at its end."""

    label: str
    received: int
    finished: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Studies that wait now, of a site and priority, and minutes that the oldest has waited."""

    site: str
    priority: str
    count: int
    oldest: float


def _places(values: Iterable[Any]) -> str:
    return ", ".join("%s" for _ in values)


def _by_zone(sites: Sequence[Site]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for site in sites:
        found[site.timezone].append(site.pk)
    return found


def _rows(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections[router.db_for_read(Report)].cursor() as cursor:
        cursor.execute(sql, list(params))
        return list(cursor.fetchall())


def _minutes(later: str, earlier: str) -> str:
    if connections[router.db_for_read(Report)].vendor == "sqlite":
        return f"(julianday({later}) - julianday({earlier})) * 1440.0"
    return f"CAST(EXTRACT(EPOCH FROM ({later} - {earlier})) AS double precision) / 60.0"


# Nearest rank: the smallest value that at least so many are not above. The same on every database.
_RANKED = """
WITH done AS ({source}),
parts AS ({parts}),
ranked AS (
    SELECT kind, name, minutes,
        row_number() OVER (PARTITION BY kind, name ORDER BY minutes) AS place,
        count(*) OVER (PARTITION BY kind, name) AS total
    FROM parts)
SELECT kind, name, total,
    min(CASE WHEN place >= total * 0.5 THEN minutes END),
    min(CASE WHEN place >= total * 0.9 THEN minutes END)
FROM ranked GROUP BY kind, name, total ORDER BY kind, total DESC, name"""

_PARTS = """
    SELECT 'all' AS kind, '' AS name, minutes FROM done
    UNION ALL SELECT 'site', CAST(site_id AS varchar(20)), minutes FROM done
    UNION ALL SELECT 'radiologist', CAST(author_id AS varchar(20)), minutes FROM done
    UNION ALL SELECT 'priority', CAST(priority AS varchar(20)), minutes FROM done
    UNION ALL SELECT 'modality', m.modality, done.minutes FROM done
        JOIN studies_studymodality m ON m.study_id = done.study_id
        WHERE m.modality NOT IN ({no_modality})"""


def turnaround(sites: Sequence[Site], days: Range) -> list[Turnaround]:
    """Of the reports first final in these days, by `GROUPS`; the largest groups first."""
    if not sites:
        return []
    states = [each.value for each in READABLE]
    minutes = _minutes("r.first_final_at", "s.received_at")
    sources, params = [], []
    for zone, ids in _by_zone(sites).items():
        sources.append(
            f"""SELECT r.site_id, r.author_id, r.study_id, s.priority,
            CASE WHEN r.first_final_at > s.received_at THEN {minutes} ELSE 0.0 END AS minutes
            FROM reports_report r JOIN studies_study s ON s.id = r.study_id
            WHERE r.site_id IN ({_places(ids)}) AND r.state IN ({_places(states)})
            AND r.first_final_at >= %s AND r.first_final_at < %s"""  # noqa: S608
        )
        params += [*ids, *states, *days.moments(zone)]
    sql = _RANKED.format(
        source=" UNION ALL ".join(sources),
        parts=_PARTS.format(no_modality=_places(NO_MODALITY)),
    )
    rows = _rows(sql, [*params, *NO_MODALITY])
    names = _names(rows, sites)
    return [
        Turnaround(kind, names(kind, name), int(total), float(median), float(p90))
        for kind, name, total, median, p90 in rows
    ]


def _names(rows: list[tuple[Any, ...]], sites: Sequence[Site]) -> Any:
    from pacs.accounts.models import User

    ids = [int(name) for kind, name, *_ in rows if kind == "radiologist"]
    people = {str(user.pk): str(user) for user in User.objects.filter(pk__in=ids)}
    by_site = {str(site.pk): site.name for site in sites}
    by_priority = {str(value): label for value, label in PRIORITIES.items()}
    tables = {"radiologist": people, "site": by_site, "priority": by_priority}
    return lambda kind, name: tables.get(kind, {}).get(name, name or "All")


def spans(sites: Sequence[Site], days: Range) -> list[Span]:
    """Volumes of each day or week, and how many studies waited at its end."""
    parts = days.spans()
    received, finished = [0] * len(parts), [0] * len(parts)
    waiting = 0
    states = [each.value for each in READABLE]
    for zone, ids in _by_zone(sites).items():
        edges = [(number, midnight(a, zone), midnight(b, zone)) for number, (a, b) in
                 enumerate(parts)]  # fmt: skip
        start = edges[0][1]
        waiting += _count(
            f"""SELECT count(*) FROM studies_study WHERE site_id IN ({_places(ids)})
            AND reading_state <> %s AND received_at < %s""",  # noqa: S608
            [*ids, ReadingState.NOT_NEEDED.value, start],
        )
        waiting -= _count(
            f"""SELECT count(*) FROM reports_report WHERE site_id IN ({_places(ids)})
            AND state IN ({_places(states)}) AND first_final_at < %s""",  # noqa: S608
            [*ids, *states, start],
        )
        for number, total in _rows(
            f"""WITH span(n, a, b) AS ({_values(edges)})
            SELECT n, (SELECT count(*) FROM studies_study s
                WHERE s.site_id IN ({_places(ids)}) AND s.reading_state <> %s
                AND s.received_at >= a AND s.received_at < b) FROM span""",  # noqa: S608
            [*_flat(edges), *ids, ReadingState.NOT_NEEDED.value],
        ):
            received[number] += total
        for number, total in _rows(
            f"""WITH span(n, a, b) AS ({_values(edges)})
            SELECT n, (SELECT count(*) FROM reports_report r
                WHERE r.site_id IN ({_places(ids)}) AND r.state IN ({_places(states)})
                AND r.first_final_at >= a AND r.first_final_at < b) FROM span""",  # noqa: S608
            [*_flat(edges), *ids, *states],
        ):
            finished[number] += total
    found = []
    for number, (first, _) in enumerate(parts):
        waiting += received[number] - finished[number]
        found.append(Span(f"{first}", received[number], finished[number], max(0, waiting)))
    return found


def _count(sql: str, params: Sequence[Any]) -> int:
    return int(_rows(sql, params)[0][0])


def _values(edges: Sequence[Any]) -> str:
    if connections[router.db_for_read(Report)].vendor == "sqlite":
        return "VALUES " + ", ".join("(%s, %s, %s)" for _ in edges)
    return "VALUES " + ", ".join("(%s::int, %s::timestamptz, %s::timestamptz)" for _ in edges)


def _flat(edges: Sequence[tuple[Any, ...]]) -> list[Any]:
    sqlite = connections[router.db_for_read(Report)].vendor == "sqlite"
    # As Django writes moments into SQLite: in UTC, without a zone.
    return [
        f"{value:%Y-%m-%d %H:%M:%S}" if sqlite and hasattr(value, "year") else value
        for edge in edges
        for value in edge
    ]


def waiting_now(sites: Sequence[Site]) -> list[Waiting]:
    """Studies without a final report now, by site and priority, the most urgent first."""
    if not sites:
        return []
    ids = [site.pk for site in sites]
    names = {site.pk: site.name for site in sites}
    waits = [
        each.value
        for each in ReadingState
        if each not in (ReadingState.FINAL, ReadingState.ADDENDED, ReadingState.NOT_NEEDED)
    ]
    now = "julianday('now')"
    if connections[router.db_for_read(Report)].vendor == "sqlite":
        age = f"({now} - julianday(min(received_at))) * 1440.0"
    else:
        age = "EXTRACT(EPOCH FROM (now() - min(received_at))) / 60.0"
    rows = _rows(
        f"""SELECT site_id, priority, count(*), {age} FROM studies_study
        WHERE site_id IN ({_places(ids)}) AND reading_state IN ({_places(waits)})
        GROUP BY site_id, priority ORDER BY priority, count(*) DESC""",  # noqa: S608
        [*ids, *waits],
    )
    return [
        Waiting(names[site], PRIORITIES.get(priority, ""), total, max(0.0, float(oldest)))
        for site, priority, total, oldest in rows
    ]
