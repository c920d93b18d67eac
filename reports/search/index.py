"""The index of report texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import connections, router

from reports.models import Report, ReportState, ReportVersion
from reports.search import table, words
from reports.shown import speaking

BATCH = 500


def text_of(versions: Sequence[ReportVersion]) -> str:
    """The text that is searched: the newest final version with its addenda, as people read it."""
    return "\n".join(each.text for each in speaking(versions))


def refresh(report: Report) -> None:
    """Have the index hold the report's newest signed text, in the caller's transaction.

    A withdrawn report keeps its words: who sees the whole site finds it, marked, and
    `visible_to` hides it from referrers. A report without a signed version has none.
    """
    connection = connections[router.db_for_write(Report)]
    text = text_of(list(report.versions.order_by("number")))
    if text:
        table.put(connection, [(report.pk, report.site_id, words.words(text))])
    else:
        table.remove(connection, [report.pk])


def rebuild() -> int:
    """Make the index anew from the signed versions, a batch at a time; how many reports it holds.

    Searches go on meanwhile. A report that is signed meanwhile is indexed by its signature.
    """
    from django.db import transaction

    database = router.db_for_write(Report)
    table.create(connections[database])
    total, last = 0, 0
    while True:
        with transaction.atomic(using=database):
            # The rows are held, so that a signature waits and its words come after these.
            rows = list(
                Report.objects.using(database)
                .select_for_update(of=("self",))
                .filter(pk__gt=last)
                .exclude(state=ReportState.DRAFT)
                .order_by("pk")[:BATCH]
            )
            if not rows:
                return total
            table.put(connections[database], list(_indexed(rows)))
        total, last = total + len(rows), rows[-1].pk


def _indexed(rows: list[Report]) -> Iterable[tuple[int, int, list[str]]]:
    versions: dict[int, list[ReportVersion]] = {}
    found = ReportVersion.objects.filter(report__in=rows).order_by("report_id", "number")
    for each in found.defer("content"):
        versions.setdefault(each.report_id, []).append(each)
    for report in rows:
        yield report.pk, report.site_id, words.words(text_of(versions.get(report.pk, [])))
