"""What keeps the first page quick at 100,000 studies: index order, few queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from pacs.accounts.models import Role, Site
from pacs.accounts.principal import principal_of
from studies.filters import WorklistFilter
from studies.tables import worklist_page


def plan_of(user: Any) -> str:
    """How SQLite gets the ids of the first page."""
    request = RequestFactory().get("/")
    request.user = user
    principal = principal_of(user)
    sites = list(Site.objects.filter(pk__in=principal.sites))
    filters = WorklistFilter(request, principal, sites, with_text=False)
    whole = None if principal.is_superuser else sorted(principal.whole_sites)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        worklist_page(filters, "priority", 1, sites=whole, by_grant=False)
    # SiteSequence and the like are not asked here: the first query is the ids'.
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plan")
class TestPlan:
    def test_one_site(self, radiologist: Any, study: Any) -> None:
        plan = plan_of(radiologist)
        assert "study_work (site_id=? AND reading_state=?)" in plan
        assert "TEMP B-TREE" not in plan
        assert "SCAN studies_study" not in plan

    def test_several_sites(self, radiologist: Any, study: Any, other_site: Any) -> None:
        radiologist.memberships.create(site=other_site, role=Role.RADIOLOGIST)
        plan = plan_of(radiologist)
        assert plan.count("study_work (site_id=? AND reading_state=?)") == 8
        assert "TEMP B-TREE" not in plan

    def test_superuser(self, admin: Any, study: Any) -> None:
        plan = plan_of(admin)
        assert plan.count("study_work_all (reading_state=?)") == 4
        assert "TEMP B-TREE" not in plan


def test_rows_cost_no_queries(logged_in: Any, radiologist: Any, make_study: Any, site: Any) -> None:
    client = logged_in(radiologist)
    make_study(site)
    client.get("/")
    with CaptureQueriesContext(connection) as few:
        client.get("/")
    for _ in range(40):
        make_study(site)
    with CaptureQueriesContext(connection) as many:
        client.get("/")
    assert len(many) == len(few) <= 28
