"""REST of templates and macros: who gets what, and documents to start from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import Site, User
from reports.models import Report
from reports.templating import services, start
from reports.writing.cleaning import clean_document
from studies.models import Study, StudyGrant
from tests.reports.factories_templates import BODY, macro, template

pytestmark = pytest.mark.django_db
LogIn = Callable[[User], Client]


@pytest.fixture
def paths(study: Study, radiologist: User) -> list[str]:
    made = template()
    return [
        f"/api/studies/{study.pk}/report-templates/",
        f"/api/report-templates/{made.pk}/start/?study={study.pk}",
        f"/api/report-templates/{made.pk}/versions/1/?study={study.pk}",
        f"/api/macros/?study={study.pk}",
    ]


@pytest.mark.parametrize("actor", ["radiologist", "technician", "site_admin", "admin"])
def test_who_sees_the_site_whole_gets_them(
    paths: list[str], actor: str, request: Any, logged_in: LogIn
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    assert [client.get(path).status_code for path in paths] == [200] * 4


def test_other_sites_do_not_find_the_study(
    paths: list[str], stranger: User, logged_in: LogIn
) -> None:
    client = logged_in(stranger)
    assert [client.get(path).status_code for path in paths] == [404] * 4


def test_anonymous_is_nobody(paths: list[str]) -> None:
    assert [Client().get(path).status_code for path in paths] == [401] * 4


def test_a_referrer_sees_the_study_and_gets_no_templates(
    paths: list[str], referrer: User, admin: User, study: Study, logged_in: LogIn
) -> None:
    client = logged_in(referrer)
    assert [client.get(path).status_code for path in paths] == [404] * 4
    StudyGrant.objects.create(study=study, user=referrer, granted_by=admin)
    assert [client.get(path).status_code for path in paths] == [403] * 4


def test_a_token_reads(paths: list[str], radiologist: User, bearer: Any) -> None:
    headers = bearer(radiologist, scopes=["read"])
    assert [Client().get(path, headers=headers).status_code for path in paths] == [200] * 4


def test_the_list_is_ranked(radiologist: User, site: Site, study: Study, logged_in: LogIn) -> None:
    template("head", body_parts=["HEAD"])
    template("mine", body_parts=["chest"], owner=radiologist)
    answer = logged_in(radiologist).get(f"/api/studies/{study.pk}/report-templates/").json()
    assert [(row["name"], row["scope"], row["fits"]) for row in answer["templates"]] == [
        ("mine", "personal", True),
        ("head", "everybody", False),
    ]


def test_a_document_to_start_from(radiologist: User, study: Study, logged_in: LogIn) -> None:
    made = template()
    client = logged_in(radiologist)
    path = f"/api/report-templates/{made.pk}/start/?study={study.pk}"
    answer = client.get(path).json()
    assert clean_document(answer["document"]) == answer["document"]
    assert answer["document"]["sections"][1]["html"] == "<p>Lungs:</p>"
    assert answer["template"]["body"]["sections"][1]["fields"][1]["choices"] == ["left", "right"]
    filled = client.get(f"{path}&normal=1").json()["document"]
    assert filled["sections"][2]["html"] == "<p>Normal.</p>"
    for wrong in ("&normal=2", "&normal="):
        assert client.get(path + wrong).status_code == 400
    for wrong in ("", "?study=", "?study=x", "?study=-1", f"?study={'9' * 30}"):
        assert client.get(f"/api/report-templates/{made.pk}/start/{wrong}").status_code == 400
    assert client.get(f"/api/macros/?study={10**17}").status_code == 404
    assert client.get(f"/api/report-templates/{10**30}/start/?study={study.pk}").status_code == 404
    assert client.get(f"/api/report-templates/{10**30}/versions/1/").status_code == 404
    assert client.get(f"/api/studies/{10**30}/report-templates/").status_code == 404


def test_a_retired_template_is_not_started_and_its_version_is_read(
    radiologist: User, study: Study, logged_in: LogIn
) -> None:
    made = template(owner=radiologist)
    services.set_active(radiologist, made, active=False)
    client = logged_in(radiologist)
    assert client.get(f"/api/report-templates/{made.pk}/start/?study={study.pk}").status_code == 404
    answer = client.get(f"/api/report-templates/{made.pk}/versions/1/").json()
    assert answer["is_active"] is False
    assert answer["body"]["title"] == BODY["title"]


def test_a_colleague_who_takes_a_draft_over_gets_its_own_template(
    radiologist: User, site: Site, study: Study, logged_in: LogIn
) -> None:
    from tests.conftest import person

    colleague = person("colleague", site, "radiologist")
    made = template(owner=radiologist)
    path = f"/api/report-templates/{made.pk}/versions/1/"
    client = logged_in(colleague)
    assert client.get(f"{path}?study={study.pk}").status_code == 404
    version = services.newest_version(made)
    assert version is not None
    Report.objects.create(
        site=site, study=study, author=radiologist, saved_by=radiologist, content=start(version)
    )
    assert client.get(f"{path}?study={study.pk}").status_code == 200
    assert client.get(path).status_code == 404


def test_other_sites_templates_are_not_there(
    radiologist: User, other_site: Site, stranger: User, study: Study, logged_in: LogIn
) -> None:
    client = logged_in(radiologist)
    for made in (template(site=other_site), template(owner=stranger)):
        assert client.get(f"/api/report-templates/{made.pk}/versions/1/").status_code == 404
        path = f"/api/report-templates/{made.pk}/start/?study={study.pk}"
        assert client.get(path).status_code == 404


def test_macros_hold_the_facts_escaped(
    radiologist: User, site: Site, study: Study, logged_in: LogIn
) -> None:
    Study.objects.filter(pk=study.pk).update(
        patient_age="007Y", referring_physician_name="<b>X</b>"
    )
    macro("dear", "<p>Dear {referrer}, {patient_age} {nothing}</p>")
    macro("liste", "<ul><li><p>{patient_age}</p></li></ul>", language="de")
    rows = logged_in(radiologist).get(f"/api/macros/?study={study.pk}").json()["macros"]
    assert [(row["html"], row["inline"]) for row in rows] == [
        ("<p>Dear &lt;b&gt;X&lt;/b&gt;, 7 years {nothing}</p>", True),
        ("<ul><li><p>7 Jahre</p></li></ul>", False),
    ]
