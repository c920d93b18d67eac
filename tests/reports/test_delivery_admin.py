"""Places and rules in the admin: each site its own, secrets never shown, addresses checked."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from agents.models import Agent, AgentState
from pacs.audit.models import AuditEvent
from reports.delivery.models import DeliveryPlace, DeliveryRule
from studies.models import OrthancServer

pytestmark = pytest.mark.django_db
PLACES, RULES = "/admin/reports/deliveryplace/", "/admin/reports/deliveryrule/"


def fhir(site: Any, **fields: Any) -> dict[str, Any]:
    return {
        "site": site.pk,
        "transport": "fhir",
        "name": "FHIR",
        "is_enabled": "on",
        "url": "https://fhir.example/r4",
        "new_secret": "a-bearer-token",
        **fields,
    }


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


def test_a_fhir_server(logged_in: Any, site_admin: Any, site: Any) -> None:
    client = logged_in(site_admin)
    assert client.post(f"{PLACES}add/", fhir(site)).status_code == 302
    place = DeliveryPlace.objects.get()
    assert (place.settings, place.secret) == ({"url": "https://fhir.example/r4"}, "a-bearer-token")
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM reports_deliveryplace")
        assert "a-bearer-token" not in cursor.fetchone()[0]
    page = client.get(f"{PLACES}{place.pk}/change/")
    assert b"a-bearer-token" not in page.content
    assert b"https://fhir.example/r4" in page.content
    changed = fhir(site, url="https://elsewhere.example", new_secret="")
    assert "new_secret" in errors(client.post(f"{PLACES}{place.pk}/change/", changed))
    renamed = fhir(site, name="Other", new_secret="")
    assert client.post(f"{PLACES}{place.pk}/change/", renamed).status_code == 302
    place.refresh_from_db()
    assert (place.name, place.secret) == ("Other", "a-bearer-token")
    assert "a-bearer-token" not in str(list(AuditEvent.objects.values("detail")))


@pytest.mark.parametrize(
    "url",
    ["", "http://fhir.example/r4", "https://u:p@fhir.example", "https://localhost/r4", "ftp://x"],
)
def test_addresses_that_are_refused(logged_in: Any, site_admin: Any, site: Any, url: str) -> None:
    answer = logged_in(site_admin).post(f"{PLACES}add/", fhir(site, url=url))
    assert "url" in errors(answer)


def test_hl7_receivers_have_to_be_allowed(
    logged_in: Any, site_admin: Any, site: Any, settings: Any
) -> None:
    client = logged_in(site_admin)
    form = {
        "site": site.pk,
        "transport": "oru",
        "name": "RIS",
        "is_enabled": "on",
        "host": "10.1.2.3",
        "port": "2575",
        "charset": "8859/1",
        "receiving_application": "RIS",
    }
    assert "PACS_HL7_RECEIVERS" in str(errors(client.post(f"{PLACES}add/", form)))
    settings.HL7_RECEIVERS = ["10.1.0.0/16:2575"]
    assert client.post(f"{PLACES}add/", form).status_code == 302
    assert DeliveryPlace.objects.get().settings == {
        "host": "10.1.2.3",
        "port": 2575,
        "charset": "8859/1",
        "receiving_application": "RIS",
    }


def test_a_receiver_of_an_agent(
    logged_in: Any, site_admin: Any, site: Any, other_site: Any
) -> None:
    Agent.objects.create(site=other_site, name="North", state=AgentState.ACTIVE)
    agent = Agent.objects.create(site=site, name="Ward", state=AgentState.ACTIVE)
    client = logged_in(site_admin)
    form = {
        "site": site.pk,
        "transport": "oru-agent",
        "name": "HIS",
        "is_enabled": "on",
        "charset": "UNICODE UTF-8",
        "receiver": "his",
    }
    refused = client.post(f"{PLACES}add/", {**form, "agent": "North"})
    assert "agent" in errors(refused)
    assert client.post(f"{PLACES}add/", {**form, "agent": "Ward"}).status_code == 302
    place = DeliveryPlace.objects.get()
    assert (place.settings["agent"], place.settings["receiver"]) == (agent.pk, "his")
    assert b'value="Ward"' in client.get(f"{PLACES}{place.pk}/change/").content


def test_each_site_its_own(
    logged_in: Any, site_admin: Any, other_site: Any, radiologist: Any
) -> None:
    place = DeliveryPlace.objects.create(site=other_site, transport="fhir", name="Theirs")
    client = logged_in(site_admin)
    assert b"Theirs" not in client.get(PLACES).content
    assert client.get(f"{PLACES}{place.pk}/change/").status_code == 302
    assert "site" in errors(client.post(f"{PLACES}add/", fhir(other_site)))
    assert logged_in(radiologist).get(PLACES).status_code in (302, 403, 404)


def test_a_rule_names_a_place_of_its_site(
    logged_in: Any, site_admin: Any, admin: Any, site: Any, other_site: Any
) -> None:
    servers = [
        OrthancServer.objects.create(
            site=each, slug=each.slug, name=f"O {each.slug}", base_url="http://o"
        )
        for each in (site, other_site)
    ]
    client = logged_in(site_admin)
    page = client.get(f"{RULES}add/").content.decode()
    assert "O main" in page
    assert "O north" not in page
    assert "The referring physician, who is given access" in page
    mine, theirs = (f"{each.site_id}|orthanc|{[('server', each.pk)]}" for each in servers)
    form = {"site": site.pk, "name": "All", "is_enabled": "on", "on_final": "on", "only": "ct, mr"}
    assert client.post(f"{RULES}add/", {**form, "where": mine}).status_code == 302
    rule = DeliveryRule.objects.get()
    assert (rule.transport, rule.target) == ("orthanc", {"server": servers[0].pk})
    assert rule.modalities == ["CT", "MR"]
    assert (rule.on_final, rule.on_addendum) == (True, False)
    assert "where" in errors(client.post(f"{RULES}add/", {**form, "name": "B", "where": theirs}))
    crossed = logged_in(admin).post(f"{RULES}add/", {**form, "name": "B", "where": theirs})
    assert "another site" in str(errors(crossed))
    kept = client.post(f"{RULES}{rule.pk}/change/", {**form, "where": mine, "name": "New"})
    assert kept.status_code == 302
    rule.refresh_from_db()
    assert (rule.name, rule.target) == ("New", {"server": servers[0].pk})
