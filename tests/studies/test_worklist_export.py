"""The worklist as CSV: what is in it, who gets what, no formulas, the trail."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from pacs.audit.models import AuditEvent
from studies.models import StudyGrant
from studies.services.spreadsheet import cell
from studies.views import export

EXPORT = "/worklist/export/"


def lines(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))


def test_nobody_and_get_export_nothing(
    client: Any, logged_in: Any, study: Any, radiologist: Any
) -> None:
    assert client.post(EXPORT).status_code == 401
    assert logged_in(radiologist).get(EXPORT).status_code == 405


@pytest.mark.parametrize("actor", ["radiologist", "technician", "site_admin"])
def test_members_get_their_site_and_the_trail_says_so(
    request: Any, logged_in: Any, actor: str, study: Any, other_study: Any, site: Any
) -> None:
    user = request.getfixturevalue(actor)
    response = logged_in(user).post(EXPORT, {"state": "all"})
    assert [line["Patient ID"] for line in lines(response)] == [study.patient_id]
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Disposition"].startswith('attachment; filename="worklist-')
    event = AuditEvent.objects.get(action="worklist.exported")
    assert (event.actor_id, event.site_id, event.detail["studies"]) == (user.pk, site.pk, 1)


def test_the_stranger_gets_the_other_site(
    logged_in: Any, stranger: Any, study: Any, other_study: Any, site: Any
) -> None:
    response = logged_in(stranger).post(EXPORT, {"state": "all", "site": site.pk})
    assert [line["Patient ID"] for line in lines(response)] == [other_study.patient_id]


def test_referrers_get_what_was_granted(
    logged_in: Any, referrer: Any, radiologist: Any, study: Any, make_study: Any, site: Any
) -> None:
    granted = make_study(site)
    StudyGrant.objects.create(study=granted, user=referrer, granted_by=radiologist)
    got = lines(logged_in(referrer).post(EXPORT, {"state": "all"}))
    assert [line["Patient ID"] for line in got] == [granted.patient_id]


def test_filters_and_order_are_those_of_the_list(
    logged_in: Any, radiologist: Any, make_study: Any, site: Any
) -> None:
    for name in ("CLARK^Cy", "ADAMS^Anna", "BAKER^Bo"):
        make_study(site, patient_name=name, modalities="CT")
    make_study(site, patient_name="DAVIS^Di", modalities="MR")
    got = lines(logged_in(radiologist).post(EXPORT, {"sort": "-patient", "modality": "CT"}))
    assert [line["Patient"] for line in got] == ["CLARK, Cy", "BAKER, Bo", "ADAMS, Anna"]


def test_more_than_the_list_counts_is_refused_whole(
    logged_in: Any, radiologist: Any, make_study: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "COUNT_CAP", 2)
    for _ in range(3):
        make_study(site)
    response = logged_in(radiologist).post(EXPORT)
    assert response.status_code == 422
    assert "Nothing was exported" in response.content.decode()
    assert not AuditEvent.objects.filter(action="worklist.exported").exists()


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "\r=1", "\n=1", "＝1", "\u00a0@x"],
)
def test_formulas_are_text(
    logged_in: Any, radiologist: Any, make_study: Any, site: Any, text: str
) -> None:
    make_study(site, study_description=text)
    got = lines(logged_in(radiologist).post(EXPORT))
    assert got[0]["Description"].startswith("'")
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "DOE, Jane", "CT head = neck", 'a "quoted"', "قباني, لنزار"])
def test_plain_text_stays(text: str) -> None:
    assert cell(text) == text


def test_lines_within_a_value_stay_in_it(
    logged_in: Any, radiologist: Any, make_study: Any, site: Any
) -> None:
    make_study(site, study_description='head\r\n=cmd|"x",neck')
    got = lines(logged_in(radiologist).post(EXPORT))
    assert len(got) == 1
    assert got[0]["Description"] == 'head\r\n=cmd|"x",neck'


def test_rows_cost_no_queries(
    logged_in: Any, radiologist: Any, make_study: Any, site: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        make_study(site, reader=radiologist, assigned_to=radiologist)
    client = logged_in(radiologist)
    with django_assert_max_num_queries(16):
        client.post(EXPORT)
