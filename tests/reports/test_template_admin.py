"""Templates and macros in the admin: site administrators their site's, superusers everybody's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from pacs.accounts.models import Site, User
from pacs.audit.models import AuditEvent
from reports.models import Macro, ReportTemplate
from reports.templating import services, source
from tests.reports.factories_templates import macro, template

pytestmark = pytest.mark.django_db
LogIn = Callable[[User], Client]
LIST = "/admin/reports/reporttemplate/"
MACROS = "/admin/reports/macro/"
TEXT = 'title = "T"\n[[sections]]\nkey = "findings"\nnormal = "Normal."\n'


def form(site: Site | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "site": site.pk if site else "", "name": "CT x", "language": "en", "modalities": "ct, mr",
        "body_parts": "CHEST, thorax", "procedure_codes": "", "is_active": "on", "text": TEXT,
        **changes,
    }  # fmt: skip


def test_a_site_administrator_makes_and_changes_the_sites(
    site_admin: User, site: Site, logged_in: LogIn
) -> None:
    client = logged_in(site_admin)
    assert client.get(f"{LIST}add/").status_code == 200
    assert client.post(f"{LIST}add/", form(site)).status_code == 302
    made = ReportTemplate.objects.get()
    assert (made.site, made.owner, made.modalities) == (site, None, ["CT", "MR"])
    page = f"{LIST}{made.pk}/change/"
    shown = client.get(page).content.decode()
    assert "Version 1" in shown
    assert f"/reports/templates/{made.pk}/" in shown
    changed = TEXT.replace("Normal.", "All normal.")
    assert client.post(page, form(text=changed, name="CT y")).status_code == 302
    made.refresh_from_db()
    assert made.name == "CT y"
    assert made.versions.count() == 2
    assert client.post(page, form(text=changed, name="CT y", is_active="")).status_code == 302
    made.refresh_from_db()
    assert not made.is_active
    assert made.versions.count() == 2
    assert list(AuditEvent.objects.filter(action__startswith="template.").order_by("id")
                .values_list("action", flat=True)) == [
        "template.created", "template.described", "template.revised", "template.retired",
    ]  # fmt: skip


def test_the_text_comes_back_as_it_was_kept(site_admin: User, site: Site, logged_in: LogIn) -> None:
    made = template(site=site)
    newest = services.newest_version(made)
    assert newest is not None
    client = logged_in(site_admin)
    page = client.get(f"{LIST}{made.pk}/change/")
    text = (
        page.context["adminform"].form.initial.get("text")
        or page.context["adminform"].form.fields["text"].initial
    )
    assert source.read(text) == newest.body
    client.post(f"{LIST}{made.pk}/change/", form(text=text))
    assert made.versions.count() == 1


def test_an_error_names_its_line_and_changes_nothing(
    site_admin: User, site: Site, logged_in: LogIn
) -> None:
    client = logged_in(site_admin)
    wrong = TEXT + '[[sections.fields]]\nkey = "a"\nlabel = "A"\nkind = "date"\n'
    answer = client.post(f"{LIST}add/", form(site, text=wrong))
    assert answer.status_code == 200
    assert "Line 8: A field must be a choice" in answer.content.decode()
    answer = client.post(f"{LIST}add/", form(site, modalities="<script>"))
    assert "is no modality" in answer.content.decode()
    assert "<script>alert" not in answer.content.decode()
    assert not ReportTemplate.objects.exists()


def test_everybodys_are_for_superusers(
    site_admin: User, admin: User, site: Site, logged_in: LogIn
) -> None:
    shared = template()
    client = logged_in(site_admin)
    assert "Choose your site." in client.post(f"{LIST}add/", form()).content.decode()
    assert client.get(f"{LIST}{shared.pk}/change/").status_code == 200
    assert client.post(f"{LIST}{shared.pk}/change/", form()).status_code == 403
    root = logged_in(admin)
    assert root.post(f"{LIST}{shared.pk}/change/", form()).status_code == 302
    assert shared.versions.count() == 2
    assert root.post(f"{LIST}add/", form()).status_code == 302
    assert client.post(f"{LIST}{shared.pk}/copy/", {"site": site.pk}).status_code == 302
    copied = ReportTemplate.objects.get(site=site)
    assert copied.versions.get().body == services.newest_version(shared).body  # type: ignore[union-attr]


def test_other_sites_and_personal_ones_are_not_there(
    site_admin: User, admin: User, radiologist: User, site: Site, other_site: Site,
    logged_in: LogIn,
) -> None:  # fmt: skip
    theirs, own = template(site=other_site), template(owner=radiologist)
    word = macro(owner=radiologist)
    client, root = logged_in(site_admin), logged_in(admin)
    for path in (f"{LIST}{own.pk}/change/", f"{MACROS}{word.pk}/change/"):
        assert client.get(path).status_code == 302
        assert root.get(path).status_code == 302
        assert root.post(path, form()).status_code == 302
    assert client.get(f"{LIST}{theirs.pk}/change/").status_code == 302
    assert client.post(f"{LIST}{theirs.pk}/copy/", {"site": site.pk}).status_code == 404
    answer = client.post(f"{LIST}add/", form(other_site))
    assert answer.status_code == 200
    assert own.versions.count() == 1
    assert ReportTemplate.objects.count() == 2
    assert own.name.encode() not in root.get(f"{LIST}?q=nothing").content


@pytest.mark.parametrize("actor", ["radiologist", "stranger", None])
def test_others_do_not_come_in(actor: str | None, request: Any, logged_in: LogIn) -> None:
    made = template()
    client = logged_in(request.getfixturevalue(actor)) if actor else Client()
    for path in (LIST, f"{LIST}add/", f"{LIST}{made.pk}/change/", MACROS):
        assert client.get(path).status_code in (302, 404)
        assert client.post(path, form()).status_code in (302, 404)
    assert client.post(f"{LIST}{made.pk}/copy/").status_code in (302, 404)
    assert ReportTemplate.objects.count() == 1


def test_templates_are_never_deleted_and_macros_are(
    admin: User, site_admin: User, site: Site, logged_in: LogIn
) -> None:
    made, shared, ours = template(site=site), macro(), macro(site=site)
    root, client = logged_in(admin), logged_in(site_admin)
    assert root.post(f"{LIST}{made.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{MACROS}{shared.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{MACROS}{ours.pk}/delete/", {"post": "yes"}).status_code == 302
    assert list(Macro.objects.all()) == [shared]
    assert AuditEvent.objects.filter(action="macro.deleted", actor_id=site_admin.pk).exists()


def test_macros_are_cleaned_and_taken_ones_refused(
    site_admin: User, site: Site, logged_in: LogIn
) -> None:
    client = logged_in(site_admin)
    data = {
        "site": site.pk, "abbreviation": "nl", "html": "<b onclick=x>No</b> mass<script>1</script>",
        "sections": "findings", "modalities": "ct", "language": "",
    }  # fmt: skip
    assert client.post(f"{MACROS}add/", data).status_code == 302
    made = Macro.objects.get()
    assert made.html == "<p><strong>No</strong> mass</p>"
    assert client.post(f"{MACROS}add/", data).status_code in (200, 302)
    assert Macro.objects.count() == 1
    change = client.post(f"{MACROS}{made.pk}/change/", {**data, "html": "Other", "site": ""})
    assert change.status_code == 302
    made.refresh_from_db()
    assert (made.html, made.site) == ("<p>Other</p>", site)
