"""Keys of agents: enrolment, rotation, revocation. Secrets are returned once and never kept."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents import announce, wake
from agents.errors import EnrolmentRefused, NotPossible
from agents.models import KEY_PREFIX, Agent, AgentKey, AgentState, EnrolmentCode, digest_of
from pacs import audit

KEY_DAYS = 365
OVERLAP = timedelta(hours=24)
CODE_HOURS = 24
# Without I, L, O, U and digits that look like them: a code is read out over the telephone.
ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
CODE_GROUPS = 5
CODE_GROUP = 5


def new_code(agent: Agent, *, actor: Any, address: str = "") -> str:
    """A one-time enrolment code for 24 hours; earlier unused codes of the agent end."""
    groups = (
        "".join(secrets.choice(ALPHABET) for _ in range(CODE_GROUP)) for _ in range(CODE_GROUPS)
    )
    code = "-".join(groups)
    now = timezone.now()
    with transaction.atomic():
        EnrolmentCode.objects.filter(agent=agent, used_at=None, expires_at__gt=now).update(
            expires_at=now
        )
        EnrolmentCode.objects.create(
            agent=agent,
            digest=digest_of(_plain(code)),
            expires_at=now + timedelta(hours=CODE_HOURS),
        )
        _record("agent.code", agent, actor, address)
    return code


def enrol(code: str, *, address: str, version: str = "", platform: str = "") -> tuple[Agent, str]:
    """The agent of a one-time code and its new key; the agent's earlier keys are revoked.

    Raises EnrolmentRefused, which tells nobody which part was wrong.
    """
    refused = EnrolmentRefused(
        "The enrolment code is wrong, used or expired, or this address may not use it."
    )
    now = timezone.now()
    with transaction.atomic():
        found = (
            EnrolmentCode.objects.select_related("agent__site")
            .filter(digest=digest_of(_plain(code)), used_at=None, expires_at__gt=now)
            .first()
        )
        if found is None or not found.agent.may_connect_from(address):
            raise refused
        if not EnrolmentCode.objects.filter(pk=found.pk, used_at=None).update(used_at=now):
            raise refused
        agent = found.agent
        agent.keys.filter(revoked_at=None).update(revoked_at=now)
        _, secret = _issue(agent)
        Agent.objects.filter(pk=agent.pk).update(
            state=AgentState.ACTIVE, version=version[:40], platform=platform[:120]
        )
        agent.refresh_from_db()
        _record("agent.enrolled", agent, None, address)
        announce.agent_changed(agent)
    return agent, secret


def rotate(agent: Agent, *, actor: Any, address: str = "") -> str:
    """A new key; the ones before stay usable for 24 hours, so that nothing falls silent.

    Raises NotPossible for an agent that has never enrolled.
    """
    if agent.state == AgentState.NEW:
        raise NotPossible("This agent has not enrolled yet: make an enrolment code.")
    until = timezone.now() + OVERLAP
    with transaction.atomic():
        agent.keys.filter(revoked_at=None, expires_at__gt=until).update(expires_at=until)
        key, secret = _issue(agent)
        _record("agent.key.rotated", agent, actor, address, key=key.pk)
    return secret


def revoke(key: AgentKey, *, actor: Any, address: str = "") -> bool:
    """Make a key useless; its connection closes within seconds. True unless it already was."""
    with transaction.atomic():
        if not AgentKey.objects.filter(pk=key.pk, revoked_at=None).update(
            revoked_at=timezone.now()
        ):
            return False
        _record("agent.key.revoked", key.agent, actor, address, key=key.pk)
        wake.look_again(key.agent_id)
    return True


def switch(agent: Agent, on: bool, *, actor: Any, address: str = "") -> bool:
    """Switch an enrolled agent on or off. True where that changed anything."""
    before, after = (
        (AgentState.DISABLED, AgentState.ACTIVE) if on else (AgentState.ACTIVE, AgentState.DISABLED)
    )
    with transaction.atomic():
        if not Agent.objects.filter(pk=agent.pk, state=before).update(state=after):
            return False
        _record("agent.on" if on else "agent.off", agent, actor, address)
        announce.agent_changed(agent)
        wake.look_again(agent.pk)
    return True


def _issue(agent: Agent) -> tuple[AgentKey, str]:
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    key = AgentKey.objects.create(
        agent=agent,
        prefix=secret[:10],
        digest=digest_of(secret),
        expires_at=timezone.now() + timedelta(days=KEY_DAYS),
    )
    return key, secret


def _plain(code: str) -> str:
    """The code as people type it, in the form it is hashed in."""
    return "".join(letter for letter in code.upper() if letter.isalnum())


def _record(action: str, agent: Agent, actor: Any, address: str, **detail: Any) -> None:
    audit.record(
        action,
        actor=actor,
        site=agent.site_id,
        address=address,
        detail={"agent": agent.pk, **detail},
    )
