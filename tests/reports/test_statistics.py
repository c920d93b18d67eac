"""Statistics: counted on the site's clock, the same on both databases, safe in a spreadsheet."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from pacs.audit.models import AuditEvent
from reports.models import Report
from reports.statistics import counting, export
from reports.statistics.spans import Range, midnight
from studies.models import Study
from tests.conftest import person
from tests.reports.factories_find import signed

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WEEK = Range(date(2026, 3, 9), date(2026, 3, 15))


@pytest.fixture
def finished(site: Any, make_study: Any, radiologist: Any) -> Any:
    """`finished(received, minutes)`: a study with a final report so many minutes later."""

    def make(received: datetime, minutes: float, who: Any = radiologist, **fields: Any) -> Study:
        study: Study = make_study(site, received_at=received, reading_state="final", **fields)
        signed(study, who, "x", at=received + timedelta(minutes=minutes))
        return study

    return make


def test_median_and_nine_of_ten(finished: Any, site: Any, radiologist: Any) -> None:
    colleague = person("colleague", site, "radiologist")
    for minutes in range(10, 110, 10):
        finished(NOON, minutes, priority=2)
    finished(NOON, 5, who=colleague, priority=0, modalities="MR/SR")
    found = {(each.group, each.name): each for each in counting.turnaround([site], WEEK)}
    routine = found["priority", "Routine"]
    assert (routine.count, round(routine.median), round(routine.p90)) == (10, 50, 90)
    assert found["all", "All"].count == 11
    assert round(found["modality", "MR"].median) == 5
    assert ("modality", "SR") not in found
    assert found["radiologist", str(radiologist)].count == 10
    assert round(found["radiologist", "colleague"].p90) == 5
    assert found["site", site.name].count == 11


def test_what_does_not_count(finished: Any, site: Any, radiologist: Any, other_site: Any) -> None:
    study = finished(NOON, 10)
    assert counting.turnaround([other_site], WEEK) == []
    assert counting.turnaround([], WEEK) == []
    Report.objects.update(first_final_at=NOON - timedelta(days=30))
    assert counting.turnaround([site], WEEK) == []
    # Signed before it came: a clock was wrong, the turnaround is none.
    Report.objects.update(first_final_at=NOON)
    Study.objects.filter(pk=study.pk).update(received_at=NOON + timedelta(hours=1))
    assert [each.median for each in counting.turnaround([site], WEEK) if each.group == "all"] == [0]
    Report.objects.update(state="withdrawn")
    assert counting.turnaround([site], WEEK) == []


def test_days_are_the_sites(make_study: Any, site: Any, other_site: Any) -> None:
    # 23:30 UTC is the next day in Berlin (UTC+1) and the same in New York.
    late = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)
    for where in (site, other_site):
        make_study(where, received_at=late)
    days = {each.label: each.received for each in counting.spans([site], WEEK)}
    assert (days["2026-03-10"], days["2026-03-11"]) == (0, 1)
    days = {each.label: each.received for each in counting.spans([site, other_site], WEEK)}
    assert (days["2026-03-10"], days["2026-03-11"]) == (1, 1)
    # The clocks change: 2026-03-29 has 23 hours in Berlin.
    assert midnight(date(2026, 3, 30), "Europe/Berlin") - midnight(
        date(2026, 3, 29), "Europe/Berlin"
    ) == timedelta(hours=23)


def test_backlog_over_time(make_study: Any, finished: Any, site: Any) -> None:
    make_study(site, received_at=datetime(2026, 3, 1, tzinfo=UTC))
    make_study(site, received_at=datetime(2026, 3, 1, tzinfo=UTC), reading_state="not_needed")
    finished(datetime(2026, 3, 10, 8, tzinfo=UTC), 24 * 60)
    spans = {each.label: each for each in counting.spans([site], WEEK)}
    assert [spans[f"2026-03-{day:02}"].waiting for day in (9, 10, 11, 12)] == [1, 2, 1, 1]
    assert (spans["2026-03-10"].received, spans["2026-03-11"].finished) == (1, 1)


def test_weeks_in_long_ranges() -> None:
    spans = Range(date(2026, 1, 1), date(2026, 6, 30)).spans()
    assert spans[0] == (date(2026, 1, 1), date(2026, 1, 5))
    assert spans[1] == (date(2026, 1, 5), date(2026, 1, 12))
    assert spans[-1][1] == date(2026, 7, 1)


def test_waiting_now(make_study: Any, site: Any) -> None:
    now = timezone.now()
    make_study(site, priority=0, received_at=now - timedelta(minutes=90))
    make_study(site, reading_state="claimed", received_at=now)
    make_study(site, reading_state="final", received_at=now)
    found = counting.waiting_now([site])
    assert [(each.priority, each.count, round(each.oldest / 90)) for each in found] == [
        ("STAT", 1, 1),
        ("Routine", 1, 0),
    ]


def test_page(logged_in: Any, finished: Any, radiologist: Any) -> None:
    finished(NOON, 125)
    page = logged_in(radiologist).get("/statistics/?from=2026-03-09&to=2026-03-15").content.decode()
    assert "2 h 05" in page
    plots = json.loads(re.search(r'id="plots"[^>]*>(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert plots["labels"][0] == "2026-03-09"
    assert plots["finished"] == [0, 1, 0, 0, 0, 0, 0]
    assert "<table" in page
    assert AuditEvent.objects.filter(action="statistics.opened").count() == 1


@pytest.mark.parametrize(
    "query",
    [
        "from=x&to=y",
        "from=2026-03-02&to=2026-03-01",
        "from=0001-01-01&to=9999-12-31",
        "from=1900-01-01",
        "site=x",
    ],
)
def test_ranges_that_are_none(logged_in: Any, radiologist: Any, query: str) -> None:
    answer = logged_in(radiologist).get(f"/statistics/?{query}")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert logged_in(radiologist).get(f"/statistics/volumes.csv?{query}").status_code == 200


def test_who_sees_them(
    logged_in: Any, site: Any, other_site: Any, radiologist: Any, site_admin: Any, technician: Any,
    referrer: Any, stranger: Any, admin: Any,
) -> None:  # fmt: skip
    for path in ("/statistics/", "/statistics/turnaround.csv"):
        for who, status in (
            (radiologist, 200),
            (site_admin, 200),
            (admin, 200),
            (technician, 404),
            (referrer, 404),
        ):
            assert logged_in(who).get(path).status_code == status, who
        assert logged_in(radiologist).get(f"{path}?site={other_site.pk}").status_code == 404
        assert logged_in(stranger).get(f"{path}?site={site.pk}").status_code == 404
        assert logged_in(admin).get(f"{path}?site={site.pk}").status_code == 200
        assert Client().get(path).status_code in (302, 401)
    assert logged_in(radiologist).get("/statistics/nothing.csv").status_code == 404


def test_others_numbers_are_not_counted(logged_in: Any, finished: Any, stranger: Any) -> None:
    finished(NOON, 10)
    text = (
        logged_in(stranger)
        .get("/statistics/turnaround.csv?from=2026-03-09&to=2026-03-15")
        .content.decode()
    )
    assert text.splitlines()[1:] == []


def test_csv(logged_in: Any, finished: Any, site: Any, radiologist: Any) -> None:
    evil = person('=HYPERLINK("http://x")', site, "radiologist")
    finished(NOON, 10, who=evil)
    client = logged_in(radiologist)
    answer = client.get("/statistics/turnaround.csv?from=2026-03-09&to=2026-03-15")
    assert answer["Content-Disposition"].startswith("attachment;")
    rows = list(csv.reader(StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0][0] == "group"
    assert ["radiologist", '\'=HYPERLINK("http://x")', "1", "10.0", "10.0"] in rows
    event = AuditEvent.objects.get(action="statistics.exported")
    assert event.detail == {"table": "turnaround", "from": "2026-03-09", "to": "2026-03-15"}
    for name in ("volumes", "waiting"):
        assert client.get(f"/statistics/{name}.csv").status_code == 200


def test_cells() -> None:
    for text in ("=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "|x", "%x"):
        assert export.cell(text).startswith("'")
    assert [export.cell(value) for value in ("DOE", -1, 1.25, "a-b")] == [
        "DOE", "-1", "1.2", "a-b"]  # fmt: skip
