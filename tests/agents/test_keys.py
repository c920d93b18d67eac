"""Enrolment codes, keys, and who may connect."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from agents import admission, keys
from agents.errors import EnrolmentRefused, NotPossible
from agents.models import Agent, AgentKey, EnrolmentCode
from pacs.audit.models import AuditEvent

JSON = "application/json"


@pytest.fixture
def new_agent(site: Any) -> Agent:
    return Agent.objects.create(site=site, name="New")


def enrol(code: str, **more: Any) -> Any:
    return Client().post("/api/agents/enrol/", {"code": code, **more}, content_type=JSON)


def admitted(key: str, address: str = "127.0.0.1", query: str = "") -> bool:
    return admission.admit(f"Bearer {key}", query, address) is not None


@pytest.mark.django_db
def test_enrol_once(new_agent: Agent, site_admin: Any) -> None:
    code = keys.new_code(new_agent, actor=site_admin)
    answer = enrol(f" {code.lower()} ", version="1.2", platform="Debian")
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert (body["agent_id"], body["site"], body["socket"]) == (
        new_agent.pk,
        new_agent.site.slug,
        "/ws/agents/",
    )
    assert admitted(body["key"])
    key = AgentKey.objects.get()
    assert body["key"].startswith(key.prefix)
    assert body["key"] not in str(AgentKey.objects.values())
    assert code not in str(EnrolmentCode.objects.values())
    new_agent.refresh_from_db()
    assert (new_agent.state, new_agent.version) == ("active", "1.2")
    assert enrol(code).status_code == 403
    actions = AuditEvent.objects.values_list("action", "outcome").order_by("id")
    assert list(actions) == [
        ("agent.code", "ok"),
        ("agent.enrolled", "ok"),
        ("agent.enrolled", "refused"),
    ]


@pytest.mark.django_db
def test_codes_that_do_not_work(new_agent: Agent, site_admin: Any) -> None:
    first = keys.new_code(new_agent, actor=site_admin)
    second = keys.new_code(new_agent, actor=site_admin)
    assert enrol(first).status_code == 403  # replaced
    EnrolmentCode.objects.update(expires_at=timezone.now())
    assert enrol(second).status_code == 403
    third = keys.new_code(new_agent, actor=site_admin)
    Agent.objects.update(allowed_networks=["10.0.0.0/8"])
    assert enrol(third).status_code == 403  # from 127.0.0.1
    assert enrol("").status_code == 400
    assert not AgentKey.objects.exists()


@pytest.mark.django_db
def test_guessing_is_slowed_down(new_agent: Agent, site_admin: Any) -> None:
    code = keys.new_code(new_agent, actor=site_admin)
    assert [enrol("AAAAA-BBBBB").status_code for _ in range(11)] == [403] * 10 + [429]
    assert enrol(code).status_code == 429


@pytest.mark.django_db
def test_enrolling_again_ends_the_old_keys(agent: Agent, site_admin: Any) -> None:
    old = keys.rotate(agent, actor=site_admin)
    _, new = keys.enrol(keys.new_code(agent, actor=site_admin), address="127.0.0.1")
    assert (admitted(old), admitted(new)) == (False, True)


@pytest.mark.django_db
def test_rotation_overlaps_for_a_day(agent: Agent, site_admin: Any) -> None:
    old, new = (keys.rotate(agent, actor=site_admin) for _ in range(2))
    assert (admitted(old), admitted(new)) == (True, True)
    first = agent.keys.order_by("id").first()
    assert first is not None
    assert first.expires_at <= timezone.now() + timedelta(hours=24)
    AgentKey.objects.filter(pk=first.pk).update(expires_at=timezone.now())
    assert (admitted(old), admitted(new)) == (False, True)


@pytest.mark.django_db
def test_an_agent_that_never_enrolled_has_no_key_to_rotate(
    new_agent: Agent, site_admin: Any
) -> None:
    with pytest.raises(NotPossible):
        keys.rotate(new_agent, actor=site_admin)


@pytest.mark.django_db
def test_revoked_switched_off_and_unknown(agent: Agent, site_admin: Any) -> None:
    secret = keys.rotate(agent, actor=site_admin)
    key = AgentKey.objects.select_related("agent").get()
    places = [(key.pk, "127.0.0.1")]
    assert admission.still_admitted(places) == {key.pk}
    assert keys.switch(agent, False, actor=site_admin)
    assert not admitted(secret)
    assert admission.still_admitted(places) == set()
    agent.refresh_from_db()
    assert keys.switch(agent, True, actor=site_admin)
    Agent.objects.update(allowed_networks=["10.0.0.0/8"])
    assert admission.still_admitted(places) == set()
    Agent.objects.update(allowed_networks=[])
    assert keys.revoke(key, actor=site_admin)
    assert not keys.revoke(key, actor=site_admin)
    assert not admitted(secret)
    assert not admitted("")
    assert not admitted("lba_wrong")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        ([], "203.0.113.9", True),
        ([], "", True),
        (["10.0.0.0/8"], "10.255.0.1", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["10.0.0.0/8", "192.0.2.7"], "192.0.2.7", True),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "10.0.0.1", False),
        (["10.0.0.0/8"], "", False),
        (["10.0.0.0/8"], "nonsense", False),
    ],
)
def test_networks(
    agent: Agent, site_admin: Any, networks: list[str], address: str, allowed: bool
) -> None:
    secret = keys.rotate(agent, actor=site_admin)
    Agent.objects.update(allowed_networks=networks)
    assert admitted(secret, address) is allowed


@pytest.mark.django_db
def test_a_refused_agent_leaves_one_line_a_minute(agent: Agent, site_admin: Any) -> None:
    secret = keys.rotate(agent, actor=site_admin)
    keys.revoke(AgentKey.objects.select_related("agent").get(), actor=site_admin)
    for _ in range(5):
        assert not admitted(secret, "192.0.2.1")
    event = AuditEvent.objects.get(action="agent.connect")
    assert (event.outcome, event.site_id, event.address) == ("refused", agent.site_id, "192.0.2.1")
    assert event.detail == {"agent": agent.pk, "why": "key"}


@pytest.mark.django_db
def test_a_key_in_the_url_is_refused_beside_a_good_header(agent: Agent, site_admin: Any) -> None:
    secret = keys.rotate(agent, actor=site_admin)
    assert not admitted(secret, query=f"key={secret}")
    assert admitted(secret, query="since=1")


@pytest.mark.django_db(transaction=True)
def test_race_for_one_code(new_agent: Agent, site_admin: Any) -> None:
    code = keys.new_code(new_agent, actor=site_admin)

    def attempt(_: int) -> bool:
        try:
            keys.enrol(code, address="127.0.0.1")
        except EnrolmentRefused:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1
    assert AgentKey.objects.filter(revoked_at=None).count() == 1


@pytest.mark.django_db
def test_visible_to(
    agent: Agent, other_agent: Agent, radiologist: Any, stranger: Any, referrer: Any, admin: Any
) -> None:
    seen: Callable[[Any], set[int]] = lambda who: {  # noqa: E731
        each.pk for each in Agent.objects.visible_to(who)
    }
    assert seen(radiologist) == {agent.pk}
    assert seen(stranger) == {other_agent.pk}
    assert seen(referrer) == set()
    assert seen(None) == set()
    assert seen(admin) == {agent.pk, other_agent.pk}
