"""Staged roll-out: connected agents below a release get `update`, once for each release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import structlog
from django.db.models import Exists, OuterRef
from django.utils import timezone

from agents import commands, protocol
from agents.errors import NotPossible
from agents.models import Agent, AgentCommand, AgentRelease, AgentRollout, AgentState
from agents.release import version_of

log = structlog.get_logger(__name__)

# Each agent fetches some thirty megabytes: not all at the same moment.
AT_ONCE = 20


def key_of(release: AgentRelease) -> str:
    """The idempotency key of the command that a roll-out gives: one for an agent and release."""
    return f"release-{release.seq}"


def in_share(agent_id: int, release: AgentRelease, percent: int) -> bool:
    """Whether the agent is of the share. The same agents stay in as the share grows."""
    digest = hashlib.sha256(f"{release.seq}:{agent_id}".encode()).digest()
    return int.from_bytes(digest[:4]) % 100 < percent


def is_below(agent: Agent, release: AgentRelease) -> bool:
    """Whether the release is newer than what the agent runs: agents refuse the rest anyway."""
    if agent.release_seq:
        return agent.release_seq < release.seq
    return version_of(agent.version) < version_of(release.version)


def due(rollout: AgentRollout) -> Iterator[Agent]:
    """Connected agents that the roll-out reaches, can take it and were not told before."""
    release = rollout.release
    told = AgentCommand.objects.filter(agent=OuterRef("pk"), idempotency_key=key_of(release))
    rows = Agent.objects.online().filter(~Exists(told), state=AgentState.ACTIVE)
    if rollout.site_id is not None:
        rows = rows.filter(site=rollout.site_id)
    listed = rollout.agents.values_list("pk", flat=True)
    if listed:
        rows = rows.filter(pk__in=list(listed))
    for agent in rows.order_by("id"):
        if (
            in_share(agent.pk, release, rollout.percent)
            and is_below(agent, release)
            and protocol.UPDATE in agent.capabilities
            and protocol.UPDATE in agent.allowed_commands
        ):
            yield agent


def sweep() -> int:
    """Tell those that are due; how many."""
    given = 0
    active = AgentRollout.objects.filter(
        paused=False, release__withdrawn_at=None, release__expires_at__gt=timezone.now()
    )
    for rollout in active.select_related("release").order_by("-release__seq", "id"):
        for agent in due(rollout):
            if given >= AT_ONCE:
                return given
            try:
                _, new = commands.queue(
                    agent,
                    protocol.UPDATE,
                    {"version": rollout.release.version},
                    requester=None,
                    idempotency_key=key_of(rollout.release),
                    wait=False,
                )
            except NotPossible as error:
                log.info("agent not told to update", agent=agent.pk, why=str(error))
                continue
            given += new
    return given
