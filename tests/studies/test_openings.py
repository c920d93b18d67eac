"""What the viewer says of its openings, and the page that sums them up."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from pacs.accounts.models import Site, User
from studies.openings import counting
from studies.openings.models import Opening

pytestmark = pytest.mark.django_db
LogIn = Callable[[User], Client]
NUMBERS = {"first_ms": 400, "server_ms": 100, "network_ms": 150, "decode_ms": 50}


def told(client: Client, study: Any, **changes: Any) -> Any:
    body = {"id": str(uuid.uuid4()), "modality": "CT", "images": 1, "size": 1000, **NUMBERS}
    path = f"/api/studies/{study.pk}/openings/"
    return client.post(path, {**body, **changes}, content_type="application/json")


def opening(site: Site, **fields: Any) -> Opening:
    return Opening.objects.create(site=site, **{**NUMBERS, "modality": "CT", **fields})


def test_said_twice_it_is_one(radiologist: User, study: Any, logged_in: LogIn) -> None:
    client, number = logged_in(radiologist), str(uuid.uuid4())
    assert told(client, study, id=number).status_code == 204
    assert told(client, study, id=number, whole_ms=900, images=200, size=10**8).status_code == 204
    assert told(client, study, id=number, whole_ms=5, first_ms=9, server_ms=1, network_ms=1,
                decode_ms=1).status_code == 204  # fmt: skip
    row = Opening.objects.get()
    assert (row.first_ms, row.whole_ms, row.images, row.size) == (400, 900, 200, 10**8)
    assert row.site_id == study.site_id


def test_who_does_not_see_the_study(stranger: User, study: Any, logged_in: LogIn) -> None:
    assert told(logged_in(stranger), study).status_code == 404
    assert told(Client(), study).status_code == 401
    assert not Opening.objects.exists()


def test_another_site_s_row_is_not_changed(
    stranger: User, study: Any, other_study: Any, logged_in: LogIn
) -> None:
    row = opening(study.site)
    answer = told(logged_in(stranger), other_study, id=str(row.pk), whole_ms=5)
    assert answer.status_code == 204
    row.refresh_from_db()
    assert row.whole_ms is None


@pytest.mark.parametrize(
    "change",
    [
        {"id": "7"},
        {"first_ms": -1},
        {"first_ms": 10**9},
        {"server_ms": 300, "network_ms": 300},
        {"modality": "<b>"},
        {"images": "many"},
        {"first_ms": None},
    ],
)
def test_what_makes_no_sense(
    radiologist: User, study: Any, logged_in: LogIn, change: dict[str, Any]
) -> None:
    assert told(logged_in(radiologist), study, **change).status_code == 400
    assert not Opening.objects.exists()


def test_the_page_counts_one_s_own_sites(
    radiologist: User, site: Site, other_site: Site, logged_in: LogIn
) -> None:
    for first in range(101, 201):
        opening(site, first_ms=first * 10, whole_ms=first * 100 if first % 2 else None)
    opening(site, modality="MR", at=timezone.now() - timedelta(days=20))
    opening(other_site, modality="US")
    client = logged_in(radiologist)
    context = client.get("/statistics/viewer/").context
    total = context["total"]
    assert (total.count, total.first, total.first_p95) == (100, 1500, 1950)
    assert (total.whole, total.whole_p95) == (14900, 19500)
    assert [row.name for row in context["groups"][0][1]] == ["CT"]
    longer = client.get("/statistics/viewer/?days=30").context
    assert [row.name for row in longer["groups"][0][1]] == ["CT", "MR"]
    assert client.get(f"/statistics/viewer/?site={other_site.pk}").context["total"].count == 100
    assert client.get("/statistics/viewer/?days=x").context["days"] == 7


def test_an_empty_page_says_so(radiologist: User, logged_in: LogIn) -> None:
    page = logged_in(radiologist).get("/statistics/viewer/").content.decode()
    assert "No study was opened" in page


@pytest.mark.parametrize("who", ["technician", "referrer"])
def test_who_neither_reads_nor_administers(
    who: str, request: pytest.FixtureRequest, logged_in: LogIn
) -> None:
    client = logged_in(request.getfixturevalue(who))
    assert client.get("/statistics/viewer/").status_code == 404
    assert Client().get("/statistics/viewer/").status_code == 401


def test_nearest_ranks() -> None:
    assert counting.rank([5], 95) == 5
    assert counting.rank(list(range(1, 21)), 95) == 19
    assert counting.rank([3, 1, 2], 50) == 2
