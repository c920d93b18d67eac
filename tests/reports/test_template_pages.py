"""Pages of templates and macros: who sees and changes what, and that nothing acts in them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import Site, User
from reports.models import Macro, ReportTemplate, TemplateVersion
from reports.templating import services
from tests.reports.factories_templates import BODY, macro, template

pytestmark = pytest.mark.django_db
LogIn = Callable[[User], Client]
JSON = "application/json"


@pytest.fixture
def paths(radiologist: User) -> list[str]:
    shared, own, word = template(), template("own", owner=radiologist), macro(owner=radiologist)
    return [
        "/reports/templates/",
        f"/reports/templates/{shared.pk}/",
        "/reports/macros/",
        "/reports/templates/new/",
        f"/reports/templates/{own.pk}/",
        f"/reports/templates/{own.pk}/edit/",
        "/reports/macros/new/",
        f"/reports/macros/{word.pk}/edit/",
    ]


@pytest.mark.parametrize(
    ("actor", "seen"),
    [
        ("radiologist", [200] * 8),
        ("technician", [200] * 3 + [404] * 5),
        ("site_admin", [200] * 3 + [404] * 5),
        ("stranger", [200] * 4 + [404] * 2 + [200, 404]),
        ("admin", [200] * 4 + [404] * 2 + [200, 404]),
        ("referrer", [404] * 8),
    ],
)
def test_who_finds_which_page(
    paths: list[str], actor: str, seen: list[int], request: Any, logged_in: LogIn
) -> None:
    client = logged_in(request.getfixturevalue(actor))
    assert [client.get(path).status_code for path in paths] == seen


def test_nobody_goes_to_the_login(paths: list[str]) -> None:
    navigating = {"HTTP_SEC_FETCH_MODE": "navigate", "HTTP_ACCEPT": "text/html"}
    for path in paths:
        assert Client().get(path, **navigating).status_code == 302
        assert Client().post(path).status_code in (401, 405)


def test_the_list_finds_and_narrows(
    radiologist: User, site: Site, other_site: Site, logged_in: LogIn
) -> None:
    template("CT chest", body_parts=["thorax"])
    template("Mine", owner=radiologist)
    template("Ours", site=site)
    template("Theirs", site=other_site)
    template("Gone", is_active=False)
    client = logged_in(radiologist)

    def shown(query: str) -> list[str]:
        answer = client.get(f"/reports/templates/{query}", headers={"HX-Request": "true"})
        assert "<html" not in answer.content.decode()
        return [row.name for row in answer.context["page"].object_list]

    assert shown("") == ["Mine", "CT chest", "Ours"]
    assert shown("?q=thor") == ["CT chest"]
    assert shown("?q=%00%E2%80%8B") == ["Mine", "CT chest", "Ours"]
    assert shown("?show=own") == ["Mine"]
    assert shown("?show=site") == ["Ours"]
    assert shown("?show=everybody") == ["CT chest"]
    assert shown("?q=nothing") == []
    assert shown("?page=99999999999999999999&show=%3Cscript%3E") == ["Mine", "CT chest", "Ours"]


def said(**changes: Any) -> dict[str, Any]:
    return {
        "name": "CT x", "language": "en", "modalities": ["ct"], "body_parts": ["CHEST"],
        "procedure_codes": [], "body": copy.deepcopy(BODY), **changes,
    }  # fmt: skip


def test_a_template_is_made_edited_retired_and_taken_back(
    radiologist: User, logged_in: LogIn
) -> None:
    client = logged_in(radiologist)
    answer = client.post("/reports/templates/new/", said(), content_type=JSON)
    assert answer.status_code == 200
    made = ReportTemplate.objects.get()
    assert (made.owner, made.modalities) == (radiologist, ["CT"])
    assert answer.json() == {"url": f"/reports/templates/{made.pk}/"}
    edit = f"/reports/templates/{made.pk}/edit/"
    assert client.post(edit, said(name="CT y"), content_type=JSON).status_code == 200
    assert TemplateVersion.objects.count() == 1
    changed = said(body={**BODY, "title": "Other"})
    assert client.post(edit, changed, content_type=JSON).status_code == 200
    assert services.newest_version(made).number == 2  # type: ignore[union-attr]
    assert 'value="Other"' in client.get(edit).content.decode()
    old = client.get(f"/reports/templates/{made.pk}/?version=1")
    assert "CT chest of 2026-03-01" in old.content.decode()
    for wrong in ("0", "3", "x", "9" * 30):
        assert client.get(f"/reports/templates/{made.pk}/?version={wrong}").status_code == 404
    retired = client.post(f"/reports/templates/{made.pk}/retire/")
    assert "Take back" in retired.content.decode()
    assert "Retire<" in client.post(f"/reports/templates/{made.pk}/restore/").content.decode()
    assert client.get(f"/reports/templates/{made.pk}/retire/").status_code == 405


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b'{"name": 3}', 400),
        (b'{"name": "x", "body": 4}', 400),
        (b'{"name": "x", "modalities": "CT", "body": {}}', 400),
        (b'{"name": "' + b"x" * 1_600_000 + b'"}', 400),
    ],
)
def test_what_is_no_template_is_refused(
    radiologist: User, logged_in: LogIn, body: bytes, status: int
) -> None:
    client = logged_in(radiologist)
    for path in ("/reports/templates/new/", "/reports/macros/new/"):
        answer = client.post(path, body, content_type=JSON)
        assert answer.status_code == status
        assert answer.json()["problem"]
    assert not ReportTemplate.objects.exists()


def test_an_error_names_its_place(radiologist: User, logged_in: LogIn) -> None:
    wrong = said()
    wrong["body"]["sections"][1]["fields"][0]["minimum"] = "much"
    answer = logged_in(radiologist).post("/reports/templates/new/", wrong, content_type=JSON)
    assert answer.json()["place"] == ["sections", 1, "fields", 0, "minimum"]


def test_only_own_ones_are_changed(
    radiologist: User, technician: User, stranger: User, site: Site, logged_in: LogIn
) -> None:
    shared, ours = template(), template(site=site)
    theirs, word = template(owner=stranger), macro(owner=stranger)
    client = logged_in(radiologist)
    for row in (shared, ours, theirs):
        path = f"/reports/templates/{row.pk}"
        assert client.post(f"{path}/edit/", said(), content_type=JSON).status_code == 404
        assert client.post(f"{path}/retire/").status_code == 404
    assert client.post(f"/reports/templates/{theirs.pk}/copy/").status_code == 404
    assert client.post(f"/reports/macros/{word.pk}/delete/").status_code == 404
    assert logged_in(technician).post(f"/reports/templates/{shared.pk}/copy/").status_code == 404
    assert ReportTemplate.objects.filter(is_active=True).count() == 3
    assert Macro.objects.filter(pk=word.pk).exists()


def test_a_copy_is_ones_own(radiologist: User, logged_in: LogIn) -> None:
    shared = template()
    answer = logged_in(radiologist).post(
        f"/reports/templates/{shared.pk}/copy/", headers={"HX-Request": "true"}
    )
    made = ReportTemplate.objects.get(owner=radiologist)
    assert answer.headers["HX-Redirect"] == f"/reports/templates/{made.pk}/edit/"
    assert made.name == "CT chest (copy)"
    newest = services.newest_version(made)
    assert newest is not None
    assert newest.body == services.newest_version(shared).body  # type: ignore[union-attr]


def test_macros_are_made_copied_and_deleted(radiologist: User, logged_in: LogIn) -> None:
    client = logged_in(radiologist)
    words = {"abbreviation": "nl", "html": "<div>Normal.</div>", "sections": ["findings"]}
    assert client.post("/reports/macros/new/", words, content_type=JSON).status_code == 200
    again = client.post("/reports/macros/new/", words, content_type=JSON)
    assert again.status_code == 409
    assert "already" in again.json()["problem"]
    own = Macro.objects.get()
    assert own.html == "<p>Normal.</p>"
    shared = macro("nl", "<p>All.</p>")
    taken = client.post(f"/reports/macros/{shared.pk}/copy/")
    assert "There is a macro" in taken.content.decode()
    assert client.post(f"/reports/macros/{own.pk}/delete/").content == b""
    assert client.post(f"/reports/macros/{shared.pk}/copy/").status_code == 302
    assert Macro.objects.filter(owner=radiologist, abbreviation="nl").exists()
    assert client.post(f"/reports/macros/{shared.pk}/delete/").status_code == 404


def test_nothing_acts_in_the_pages_whatever_the_rows_hold(
    radiologist: User, logged_in: LogIn
) -> None:
    """Also what never passed the services."""
    bad = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    made = template(
        bad, owner=radiologist, modalities=[bad], body_parts=[bad], procedure_codes=[bad]
    )
    raw = copy.deepcopy(services.newest_version(made).body)  # type: ignore[union-attr]
    raw["title"] = bad
    for section in raw["sections"]:
        section["title"] = section["html"] = section["normal"] = bad
        for field in section["fields"]:
            field["label"] = field["unit"] = field["default"] = bad
            field["choices"] = [bad]
    TemplateVersion.objects.create(template=made, number=2, body=raw)
    word = macro("nl", bad, owner=radiologist, sections=[bad], modalities=[bad], language="<b>")
    client = logged_in(radiologist)
    for path in (
        "/reports/templates/",
        f"/reports/templates/{made.pk}/",
        f"/reports/templates/{made.pk}/edit/",
        "/reports/macros/",
        f"/reports/macros/{word.pk}/edit/",
    ):
        page = client.get(path).content.decode()
        assert "<img" not in page, path
        assert "<script>" not in page, path
        if "macros" not in path:
            assert "&lt;img src=x onerror" in page, path
