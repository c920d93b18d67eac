"""Saved filters: a person's own, those of a site, who sees and removes which."""

from __future__ import annotations

from typing import Any

import pytest

from pacs.audit.models import AuditEvent
from studies.saved import services
from studies.saved.models import SavedFilter

HTMX = {"HX-Request": "true"}
SAVE = "/worklist/saved/"


def save(client: Any, name: str, **data: Any) -> Any:
    return client.post(SAVE, {"name": name, **data}, headers=HTMX)


def test_nobody_is_told_401(client: Any, radiologist: Any) -> None:
    saved = SavedFilter.objects.create(owner=radiologist, name="Mine")
    assert client.post(SAVE, {"name": "x"}, headers=HTMX).status_code == 401
    assert client.post(f"{SAVE}{saved.pk}/remove/", headers=HTMX).status_code == 401
    assert list(SavedFilter.objects.all()) == [saved]


def test_own_filter_opens_again_and_holds_no_free_text(
    logged_in: Any, radiologist: Any, technician: Any
) -> None:
    client = logged_in(radiologist)
    answer = save(
        client, " My  CTs ", q="doe jane", modality=["CT", "MR"], sort="-study", state="all"
    )
    saved = SavedFilter.objects.get()
    assert saved.name == "My CTs"
    assert saved.site is None
    assert "doe" not in saved.query
    assert set(saved.query.split("&")) == {"modality=CT", "modality=MR", "state=all", "sort=-study"}
    assert "The search text is not kept" in answer.content.decode()
    opened = client.get(f"/?{saved.query}")
    assert "My CTs" in opened.content.decode()
    assert opened.context["filters"].modality_summary == "CT, MR"
    assert opened.context["sort"] == "-study"
    assert "My CTs" not in logged_in(technician).get("/").content.decode()
    event = AuditEvent.objects.get(action="worklist.filter.saved")
    assert event.actor_id == radiologist.pk


def test_the_same_name_replaces(logged_in: Any, radiologist: Any) -> None:
    client = logged_in(radiologist)
    save(client, "Mine", modality="CT")
    save(client, "Mine", modality="MR")
    assert SavedFilter.objects.get().query == "modality=MR"


def test_shared_with_the_site_and_with_no_other(
    logged_in: Any, technician: Any, radiologist: Any, stranger: Any, referrer: Any, site: Any
) -> None:
    save(logged_in(technician), "Night shift", share=site.pk, modality="CT")
    assert SavedFilter.objects.get().site == site
    assert "Night shift" in logged_in(radiologist).get("/").content.decode()
    assert "Night shift" not in logged_in(stranger).get("/").content.decode()
    assert "Night shift" not in logged_in(referrer).get("/").content.decode()


@pytest.mark.parametrize("actor", ["stranger", "referrer"])
def test_who_does_not_work_there_shares_nothing(
    request: Any, logged_in: Any, actor: str, site: Any
) -> None:
    answer = save(logged_in(request.getfixturevalue(actor)), "Here", share=site.pk)
    assert "You do not work at this site" in answer.content.decode()
    assert not SavedFilter.objects.exists()


def test_nobody_overwrites_what_somebody_else_shared(
    logged_in: Any, technician: Any, radiologist: Any, site: Any
) -> None:
    save(logged_in(technician), "Night", share=site.pk, modality="CT")
    answer = save(logged_in(radiologist), "Night", share=site.pk, modality="MR")
    assert "of somebody else" in answer.content.decode()
    assert SavedFilter.objects.get().query == "modality=CT"


@pytest.mark.parametrize(
    ("actor", "status"),
    [("technician", 200), ("site_admin", 200), ("radiologist", 404), ("stranger", 404)],
)
def test_who_removes_a_shared_one(
    request: Any, logged_in: Any, technician: Any, site: Any, actor: str, status: int
) -> None:
    saved = SavedFilter.objects.create(owner=technician, site=site, name="Night")
    client = logged_in(request.getfixturevalue(actor))
    assert client.post(f"{SAVE}{saved.pk}/remove/", headers=HTMX).status_code == status
    assert SavedFilter.objects.exists() == (status == 404)


def test_somebody_elses_own_is_not_there(logged_in: Any, technician: Any, admin: Any) -> None:
    saved = SavedFilter.objects.create(owner=technician, name="Private")
    client = logged_in(admin)
    assert client.post(f"{SAVE}{saved.pk}/remove/", headers=HTMX).status_code == 404
    assert "Private" not in client.get("/").content.decode()


@pytest.mark.parametrize("name", ["", "   ", "x" * 41])
def test_bad_names_are_told(logged_in: Any, radiologist: Any, name: str) -> None:
    assert 'role="alert"' in save(logged_in(radiologist), name).content.decode()
    assert not SavedFilter.objects.exists()


def test_markup_is_only_text(logged_in: Any, radiologist: Any) -> None:
    text = save(logged_in(radiologist), "<b onclick=x>").content.decode()
    assert "<b onclick" not in text
    assert "&lt;b onclick" in text


def test_at_most_so_many(logged_in: Any, radiologist: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(services, "MOST", 2)
    client = logged_in(radiologist)
    for name in ("a", "b"):
        save(client, name)
    assert "You have 2 saved filters" in save(client, "c").content.decode()
    assert "Saved as" in save(client, "b", modality="CT").content.decode()
    assert SavedFilter.objects.count() == 2
