"""Agents that fall silent: said once, mailed once, and over when they are back."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from agents import alerts, reception
from agents.models import Agent, AgentEvent
from agents.tasks import silence_sweep
from pacs.events.models import SiteEvent

pytestmark = pytest.mark.django_db


def quiet_for(agent: Agent, minutes: float) -> None:
    Agent.objects.filter(pk=agent.pk).update(
        last_seen_at=timezone.now() - timedelta(minutes=minutes)
    )


@pytest.fixture
def told(site_admin: Any, settings: Any) -> Any:
    site_admin.email = "admin@hospital.example"
    site_admin.save()
    settings.ALERT_EMAILS = ["duty@hospital.example"]
    return site_admin


def test_once_per_silence(agent: Agent, told: Any, technician: Any) -> None:
    quiet_for(agent, 9)
    silence_sweep()
    assert mail.outbox == []
    quiet_for(agent, 11)
    for _ in range(3):
        silence_sweep()
    (message,) = mail.outbox
    assert message.to == ["admin@hospital.example", "duty@hospital.example"]
    assert message.subject == "Site agent silent: Ward at Main Hospital"
    agent.refresh_from_db()
    assert agent.silent_since == agent.last_seen_at
    assert agent.connection == ""
    kinds = AgentEvent.objects.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["disconnected", "silent"]
    assert SiteEvent.objects.filter(type="agent.changed").exists()

    reception.seen([agent.pk])
    agent.refresh_from_db()
    assert agent.silent_since is None
    assert AgentEvent.objects.filter(kind="back").count() == 1
    quiet_for(agent, 11)
    silence_sweep()
    assert len(mail.outbox) == 2


def test_a_mail_that_fails_is_sent_later(
    agent: Agent, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise smtplib.SMTPServerDisconnected

    quiet_for(agent, 11)
    with monkeypatch.context() as patch:
        patch.setattr(alerts, "send_mail", fail)
        silence_sweep()
    assert mail.outbox == []
    silence_sweep()
    silence_sweep()
    assert len(mail.outbox) == 1


def test_only_active_agents_are_missed(agent: Agent, told: Any, site: Any) -> None:
    Agent.objects.create(site=site, name="Never enrolled")
    Agent.objects.filter(pk=agent.pk).update(state="disabled")
    quiet_for(agent, 600)
    silence_sweep()
    assert mail.outbox == []


def test_other_sites_are_not_told(other_agent: Agent, told: Any, settings: Any) -> None:
    settings.ALERT_EMAILS = []
    quiet_for(other_agent, 11)
    silence_sweep()
    assert mail.outbox == []
    other_agent.refresh_from_db()
    assert other_agent.silent_since is not None
