"""Gathered from the few that a filter leaves, or read in order: the list is the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pacs.accounts.models import Role, Site
from pacs.accounts.principal import principal_of
from studies import narrowing
from studies.filters import WorklistFilter
from studies.models import Arrival, ReadingState
from studies.tables import WorklistPage, worklist_page

QUESTIONS = [
    {},
    {"date": "today"},
    {"date": "7d"},
    {"date": "yesterday"},
    {"date": "range", "date_from": "2020-01-01"},
    {"date": "range", "date_to": "2020-01-01"},
    {"modality": "MR"},
    {"modality": ["CT", "SR"]},
    {"modality": "MG"},
    {"arrival": "quiet"},
    {"arrival": "receiving", "date": "30d", "modality": "MR"},
    {"show": "overdue"},
]
WAYS = [
    ("all", "priority", 1),
    ("all", "priority", 2),
    ("all", "patient_id", 1),
    ("final", "priority", 1),
]


@pytest.fixture
def many(site: Any, other_site: Any, make_study: Any) -> None:
    today = timezone.localdate()
    for number in range(70):
        day = today - timedelta(days=number % 40)
        make_study(
            other_site if number % 9 == 0 else site,
            study_day=day if number % 7 else None,
            study_date=f"{day:%Y%m%d}",
            modalities=("CT", "MR", "MR/SR", "PT")[number % 4],
            arrival=Arrival.values[number % 3],
            reading_state=ReadingState.values[number % 7],
            priority=number % 3,
            received_at=timezone.now() - timedelta(minutes=number * 37 % 5000),
        )


def page(user: Any, asked: dict[str, Any], number: int = 1, sort: str = "priority") -> WorklistPage:
    request = RequestFactory().get("/", asked)
    request.user = user
    principal = principal_of(user)
    sites = list(Site.objects.filter(pk__in=principal.sites))
    filters = WorklistFilter(request, principal, sites, with_text=False)
    whole = None if principal.is_superuser else sorted(principal.whole_sites)
    return worklist_page(filters, sort, number, sites=whole, by_grant=False)


def said(found: WorklistPage) -> tuple[Any, ...]:
    return [study.pk for study in found.studies], found.count, found.has_next


@pytest.mark.parametrize("who", ["both", "admin"])
@pytest.mark.parametrize("asked", QUESTIONS)
def test_the_same_either_way(
    request: Any, monkeypatch: Any, many: None, other_site: Any, who: str, asked: dict[str, Any]
) -> None:
    user = request.getfixturevalue("radiologist" if who == "both" else who)
    if who == "both":
        user.memberships.create(site=other_site, role=Role.RADIOLOGIST)
    seen = 0
    for state, sort, number in WAYS:
        answers = []
        for gathers, counts in ((True, True), (False, True), (False, False)):
            with monkeypatch.context() as patch:
                patch.setattr(narrowing.Few, "is_worth_gathering", lambda *_, way=gathers: way)
                patch.setattr(
                    narrowing.Few, "is_worth_counting", property(lambda _, way=counts: way)
                )
                answers.append(said(page(user, {**asked, "state": state}, number, sort)))
        assert answers[0] == answers[1] == answers[2]
        seen += len(answers[0][0])
    assert seen or asked.get("modality") == "MG" or "date_to" in asked


@pytest.mark.parametrize(
    ("number", "wanted", "gathered"),
    [(0, 51, True), (4_000, 51, True), (6_000, 51, False), (60_000, 10_051, True)],
)
def test_what_is_less_work(number: int, wanted: int, gathered: bool) -> None:
    few = narrowing.Few(number, ids=None, total=1_000_000)  # type: ignore[arg-type]
    assert few.is_worth_gathering(wanted) is gathered


def test_counting_stops(monkeypatch: Any, radiologist: Any, many: None) -> None:
    monkeypatch.setattr(narrowing, "MOST", 3)
    request = RequestFactory().get("/", {"state": "all", "modality": "MR"})
    request.user = radiologist
    principal = principal_of(radiologist)
    sites = list(Site.objects.filter(pk__in=principal.sites))
    assert narrowing.fewest(WorklistFilter(request, principal, sites, with_text=False)) is None


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plan")
@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"date": "today"}, "study_day"),
        ({"modality": "PT"}, "modality_by_day"),
        ({"arrival": "receiving"}, "study_arrival"),
    ],
)
def test_the_index_of_the_filter_is_used(
    radiologist: Any, many: None, asked: dict[str, str], index: str
) -> None:
    with CaptureQueriesContext(connection) as queries:
        page(radiologist, {**asked, "state": "all"})
    ids = next(
        one["sql"] for one in queries if "ORDER BY" in one["sql"] and "IN (SELECT" in one["sql"]
    )
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {ids}")
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert index in plan
    assert "SCAN studies_study" not in plan
