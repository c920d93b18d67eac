"""Destinations in the admin: each site its own, secrets never shown, addresses checked."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from pacs.audit.models import AuditEvent
from studies.models import OrthancServer
from studies.sending.addresses import is_own_machine
from studies.sending.models import Destination, Kind, Send

pytestmark = pytest.mark.django_db
ADD = "/admin/studies/destination/add/"
LIST = "/admin/studies/destination/"


def orthanc(site: Any) -> OrthancServer:
    return OrthancServer.objects.create(
        site=site, slug=site.slug, name=site.name, base_url="http://orthanc.example:8042"
    )


def server_form(site: Any, **fields: Any) -> dict[str, Any]:
    return {
        "site": site.pk,
        "name": "Web",
        "kind": "dicomweb",
        "is_enabled": "on",
        "url": "https://pacs.example/dicom-web",
        "new_authorization": "Bearer other-side",
        **fields,
    }


def node_form(site: Any, server: OrthancServer, **fields: Any) -> dict[str, Any]:
    return {
        "site": site.pk,
        "name": "Node",
        "kind": "dicom",
        "is_enabled": "on",
        "orthanc_server": server.pk,
        "ae_title": "NODE",
        "host": "10.0.0.5",
        "port": 104,
        **fields,
    }


def test_a_site_admin_adds_both_kinds(
    logged_in: Any, site_admin: Any, site: Any, other_site: Any
) -> None:
    client = logged_in(site_admin)
    assert client.post(ADD, server_form(site)).status_code == 302
    assert client.post(ADD, node_form(site, orthanc(site))).status_code == 302
    web = Destination.objects.get(name="Web")
    assert web.authorization == "Bearer other-side"
    with connection.cursor() as cursor:
        cursor.execute("SELECT authorization FROM studies_destination WHERE id = %s", [web.pk])
        assert "other-side" not in cursor.fetchone()[0]
    page = client.get(f"{LIST}{web.pk}/change/").content.decode()
    assert "other-side" not in page
    assert AuditEvent.objects.filter(action="admin.destination.added").count() == 2


def test_another_site_is_out_of_reach(
    logged_in: Any, site_admin: Any, site: Any, other_site: Any
) -> None:
    client = logged_in(site_admin)
    foreign = Destination.objects.create(
        site=other_site, name="Foreign", kind=Kind.DICOMWEB, url="https://x.example"
    )
    assert client.post(ADD, server_form(other_site)).status_code == 200
    assert client.post(ADD, node_form(site, orthanc(other_site))).status_code == 200
    assert client.get(f"{LIST}{foreign.pk}/change/").status_code == 302
    assert "Foreign" not in client.get(LIST).content.decode()
    assert list(Destination.objects.all()) == [foreign]


def test_even_a_superuser_keeps_sites_apart(
    logged_in: Any, admin: Any, site: Any, other_site: Any
) -> None:
    answer = logged_in(admin).post(ADD, node_form(site, orthanc(other_site)))
    assert "belongs to another site" in answer.content.decode()
    assert not Destination.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "http://pacs.example/dicom-web"},
        {"url": "https://user:secret@pacs.example/dicom-web"},
        {"url": "https://pacs.example/dicom-web?x=1"},
        {"url": "ftp://pacs.example/"},
        {"url": ""},
        {"url": "https://127.0.0.1/dicom-web"},
        {"url": "https://[::1]/dicom-web"},
        {"url": "https://169.254.169.254/latest"},
        {"url": "https://localhost/dicom-web"},
        {"new_authorization": "Bearer x\r\nX-Evil: 1"},
    ],
)
def test_addresses_that_are_refused(
    logged_in: Any, site_admin: Any, site: Any, fields: dict[str, str]
) -> None:
    answer = logged_in(site_admin).post(ADD, server_form(site, **fields))
    assert (answer.status_code, Destination.objects.count()) == (200, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"ae_title": "MORE_THAN_SIXTEEN"},
        {"ae_title": "A\\B"},
        {"ae_title": ""},
        {"host": "localhost"},
        {"host": "http://10.0.0.5"},
        {"port": 0},
        {"port": 70000},
        {"orthanc_server": ""},
    ],
)
def test_nodes_that_are_refused(
    logged_in: Any, site_admin: Any, site: Any, fields: dict[str, Any]
) -> None:
    answer = logged_in(site_admin).post(ADD, node_form(site, orthanc(site), **fields))
    assert (answer.status_code, Destination.objects.count()) == (200, 0)


def test_http_only_where_it_is_allowed(
    logged_in: Any, site_admin: Any, site: Any, settings: Any
) -> None:
    settings.SEND_OVER_HTTP = True
    form = server_form(site, url="http://pacs.example/dicom-web")
    assert logged_in(site_admin).post(ADD, form).status_code == 302


def test_a_secret_does_not_follow_to_another_address(
    logged_in: Any, site_admin: Any, site: Any
) -> None:
    client = logged_in(site_admin)
    client.post(ADD, server_form(site))
    web = Destination.objects.get()
    change = f"{LIST}{web.pk}/change/"
    moved = server_form(site, url="https://evil.example/dicom-web", new_authorization="")
    assert "Enter it again" in client.post(change, moved).content.decode()
    kept = server_form(site, name="Renamed", new_authorization="")
    assert client.post(change, kept).status_code == 302
    web.refresh_from_db()
    assert (web.name, web.authorization) == ("Renamed", "Bearer other-side")
    assert web.url == "https://pacs.example/dicom-web"


@pytest.mark.parametrize("actor", ["radiologist", "technician", "referrer", "stranger"])
def test_others_find_no_admin(request: Any, logged_in: Any, actor: str) -> None:
    client = logged_in(request.getfixturevalue(actor))
    assert client.get(LIST).status_code == 302
    assert client.get("/admin/studies/send/").status_code == 302


def test_sends_can_be_looked_at_only(
    logged_in: Any, site_admin: Any, study: Any, other_study: Any, site: Any, other_site: Any
) -> None:
    mine, foreign = (
        Send.objects.create(
            study=one,
            destination=Destination.objects.create(
                site=one.site, name=f"To {one.pk}", kind=Kind.DICOMWEB, url="https://x.example"
            ),
            requester=site_admin,
        )
        for one in (study, other_study)
    )
    client = logged_in(site_admin)
    page = client.get(reverse("admin:studies_send_changelist")).content.decode()
    assert f"To {study.pk}" in page
    assert f"To {other_study.pk}" not in page
    assert client.get(f"/admin/studies/send/{mine.pk}/change/").status_code == 200
    assert client.get(f"/admin/studies/send/{foreign.pk}/change/").status_code == 302
    assert client.post(f"/admin/studies/send/{mine.pk}/change/", {}).status_code == 403


def test_names_of_this_machine() -> None:
    for name in ("localhost", "127.0.0.1", "127.1", "0x7f000001", "::1", "::ffff:127.0.0.1"):
        assert is_own_machine(name), name
    for name in ("0.0.0.0", "169.254.169.254", "fe80::1", "a.localhost", "LOCALHOST."):
        assert is_own_machine(name), name
    for name in ("10.0.0.5", "pacs.example", "192.168.1.2", "2001:db8::1"):
        assert not is_own_machine(name), name
