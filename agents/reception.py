"""What an agent's messages change in the database."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents import announce, protocol, ris, scans, wake
from agents.models import Agent, AgentEvent, AgentState
from agents.protocol import ProtocolError

STORED_EVENTS = (
    *(protocol.UPLOAD_COMPLETE, protocol.SCAN, protocol.PRINTER_STATE),
    *(protocol.UPDATE_DONE, protocol.UPDATE_FAILED),
    *ris.EVENTS,
)
# Data of an event beyond this is no file name, code or printer.
MAX_EVENT_DATA = 16 * 1024


def register(agent: Agent, connection: str, message: protocol.Register) -> protocol.Registered:
    """Make `connection` the agent's one live connection. Raises ProtocolError "version"."""
    spoken = set(message.protocols) & set(protocol.VERSIONS)
    if not spoken:
        raise ProtocolError(
            "version", f"The portal speaks version {protocol.VERSION} of the protocol."
        )
    now = timezone.now()
    with transaction.atomic(savepoint=False):
        before = Agent.objects.get(pk=agent.pk)
        Agent.objects.filter(pk=agent.pk).update(
            connection=connection,
            connected_at=now,
            last_seen_at=now,
            silent_since=None,
            silence_mailed_at=None,
            version=message.version,
            release_seq=message.release,
            platform=message.platform,
            capabilities=list(message.capabilities),
        )
        if before.silent_since is not None:
            AgentEvent.objects.create(agent=agent, kind=AgentEvent.Kind.BACK, at=now)
        AgentEvent.objects.create(agent=agent, kind=AgentEvent.Kind.CONNECTED, at=now)
        announce.agent_changed(agent)
        if before.connection:
            wake.replaced(agent.pk, connection)
    return protocol.Registered(
        agent_id=agent.pk,
        name=agent.name,
        site=agent.site.name,
        now=now,
        protocol=max(spoken),
        heartbeat_seconds=settings.AGENT_HEARTBEAT_SECONDS,
        allowed_commands=tuple(before.allowed_commands),
    )


def disconnected(agent_id: int, connection: str) -> None:
    """The connection is gone; a newer one of the agent stays."""
    with transaction.atomic(savepoint=False):
        agent = Agent.objects.filter(pk=agent_id).first()
        if agent is None or not Agent.objects.filter(pk=agent_id, connection=connection).update(
            connection=""
        ):
            return
        AgentEvent.objects.create(agent=agent, kind=AgentEvent.Kind.DISCONNECTED)
        announce.agent_changed(agent)


def reclaim(agent_id: int, connection: str) -> None:
    """The connection lives, although the agent was called disconnected meanwhile."""
    Agent.objects.filter(pk=agent_id, connection="").update(connection=connection)


def state_of(message: protocol.Heartbeat) -> dict[str, Any]:
    """The columns that a heartbeat tells of, as JSON keeps them."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(message), default=str))
    return {
        name: plain[name]
        for name in (
            *("version", "queue_length", "folders", "printers", "drives", "scanners"),
            "last_errors",
        )
    }


def heard(agent: Agent, state: dict[str, Any]) -> None:
    """Keep what the agent tells of itself, where it differs from before."""
    with transaction.atomic(savepoint=False):
        if not state["version"]:
            state = {name: value for name, value in state.items() if name != "version"}
        Agent.objects.filter(pk=agent.pk).update(last_seen_at=timezone.now(), **state)
        announce.agent_changed(agent)


def seen(agent_ids: list[int]) -> None:
    """The agents gave a sign of life; those that had been called silent are back."""
    now = timezone.now()
    for start in range(0, len(agent_ids), 500):
        some = Agent.objects.filter(pk__in=agent_ids[start : start + 500])
        some.update(last_seen_at=now)
        for agent in some.filter(silent_since__isnull=False):
            with transaction.atomic(savepoint=False):
                if Agent.objects.filter(pk=agent.pk, silent_since__isnull=False).update(
                    silent_since=None, silence_mailed_at=None
                ):
                    AgentEvent.objects.create(agent=agent, kind=AgentEvent.Kind.BACK, at=now)
                    announce.agent_changed(agent)


def happened(agent: Agent, message: protocol.Event) -> None:
    """Keep an event once; the agent sends it until it is told that it is kept.

    Raises ProtocolError "unknown-event" for what the portal does not take (yet), "field" for a
    scan that is none, "document-missing" for a report whose PDF has to come first.
    """
    if message.event not in STORED_EVENTS:
        raise ProtocolError("unknown-event", "The portal takes no such events.", message.id)
    is_ris = message.event in ris.EVENTS
    if len(json.dumps(message.data)) > (ris.MAX_DATA if is_ris else MAX_EVENT_DATA):
        raise ProtocolError("too-large", "The event's data is too large.", message.id)
    try:
        with transaction.atomic():
            if message.event == protocol.SCAN:
                scans.received(agent, message)
                return
            row = AgentEvent.objects.create(
                agent=agent,
                event_id=message.id,
                kind=message.event,
                at=_believable(message.at),
                data=message.data,
            )
            if is_ris:
                outcomes = _applied(agent, message)
                AgentEvent.objects.filter(pk=row.pk).update(
                    data={**ris.without_reports(message.data, outcomes), "outcomes": outcomes}
                )
            announce.agent_changed(agent)
    except IntegrityError:
        if not AgentEvent.objects.filter(agent=agent, event_id=message.id).exists():
            raise


def _applied(agent: Agent, message: protocol.Event) -> list[dict[str, Any]]:
    try:
        return ris.apply(agent, message.event, message.data)
    except ProtocolError as error:
        raise ProtocolError(error.code, error.message, message.id) from None


def stale_connections() -> int:
    """Close the books on connections that a portal process took with it; how many."""
    old = timezone.now() - timedelta(seconds=settings.AGENT_HEARTBEAT_SECONDS * 4)
    gone = 0
    rows = Agent.objects.exclude(connection="").filter(last_seen_at__lt=old)
    for agent_id, connection in rows.values_list("pk", "connection")[:500]:
        disconnected(agent_id, connection)
        gone += 1
    return gone


def newly_silent() -> list[int]:
    """Mark agents that have not been heard of for AGENT_SILENT_MINUTES; their ids."""
    now = timezone.now()
    old = now - timedelta(minutes=settings.AGENT_SILENT_MINUTES)
    found = []
    rows = Agent.objects.filter(state=AgentState.ACTIVE, last_seen_at__lt=old, silent_since=None)
    for agent in rows[:500]:
        with transaction.atomic():
            if Agent.objects.filter(
                pk=agent.pk, silent_since=None, last_seen_at=agent.last_seen_at
            ).update(silent_since=agent.last_seen_at):
                AgentEvent.objects.create(agent=agent, kind=AgentEvent.Kind.SILENT, at=now)
                announce.agent_changed(agent)
                found.append(agent.pk)
    return found


def _believable(at: Any) -> Any:
    """The agent's time, unless its clock is ahead."""
    return min(at, timezone.now())
