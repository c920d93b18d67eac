"""What an agent is told to do: every change of a command's state, each a compare-and-set.

    queued -> sent -> accepted -> running -> done | failed | expired | cancelled

The agent's word about the end is the truth: a late result corrects a command that had been sent
and was called expired, cancelled or lost meanwhile. Nothing else leaves an end.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from agents import announce, discs, protocol, wake
from agents.errors import NotConnected, NotPossible
from agents.models import OPEN, WAITING, WITH_AGENT, Agent, AgentCommand, AgentState, CommandState
from agents.printing import orders
from pacs import audit

# What a dead connection may still bring after the time to live, before a sent command expires.
SENT_GRACE = timedelta(seconds=60)
# Accepted, and nothing heard of it for so long: whether it was done is not known.
LOST_AFTER = timedelta(hours=24)
LOST = "lost"
MAX_TTL = 7 * 24 * 3600
MAX_WAITING = 1000
ENDS = {
    protocol.DONE: CommandState.DONE,
    protocol.FAILED: CommandState.FAILED,
    protocol.EXPIRED: CommandState.EXPIRED,
    protocol.CANCELLED: CommandState.CANCELLED,
}


def queue(
    agent: Agent,
    type: str,
    params: Any,
    *,
    requester: Any,
    ttl: int | None = None,
    idempotency_key: str = "",
    wait: bool = True,
    **where: str,
) -> tuple[AgentCommand, bool]:
    """A command for the agent, and whether it is new: the same idempotency key gives the same one.

    `ttl` in seconds, by the type where None. `wait` False: only where the agent is connected.
    `where`: address and session_key for the audit trail. Raises ProtocolError for parameters out
    of bounds, NotConnected, NotPossible.
    """
    checked = protocol.check_params(type, params)
    key = idempotency_key or str(uuid.uuid4())
    found = _same(agent, key, type, checked)
    if found is not None:
        return found, False
    _require(agent, type, wait)
    now = timezone.now()
    pinned = orders.pin(agent, checked, requester, now) if type == protocol.PRINT_REPORT else None
    seconds = protocol.COMMANDS[type].ttl if ttl is None else ttl
    try:
        with transaction.atomic():
            command = AgentCommand.objects.create(
                agent=agent,
                type=type,
                params=checked,
                idempotency_key=key,
                requester=requester,
                created_at=now,
                changed_at=now,
                expires_at=now + timedelta(seconds=min(seconds, MAX_TTL)),
            )
            if pinned is not None:
                orders.keep(command, pinned)
            _record("agent.command", command, requester, where)
            announce.command_changed(command)
            wake.commands(agent.pk)
    except IntegrityError:
        found = _same(agent, key, type, checked)
        if found is None:
            raise
        return found, False
    return command, True


def _same(agent: Agent, key: str, type: str, params: dict[str, Any]) -> AgentCommand | None:
    found = AgentCommand.objects.filter(agent=agent, idempotency_key=key).first()
    if found is not None and (found.type != type or found.params != params):
        raise NotPossible("This idempotency key belongs to another command.")
    return found


def _require(agent: Agent, type: str, wait: bool) -> None:
    if agent.state != AgentState.ACTIVE:
        raise NotPossible("This agent is switched off or has not enrolled.")
    if type not in agent.allowed_commands:
        raise NotPossible("This agent is not allowed this command.")
    if agent.capabilities and type not in agent.capabilities:
        raise NotPossible("This agent cannot do this.")
    if not wait and not agent.is_online:
        raise NotConnected("Agent not connected")
    if AgentCommand.objects.filter(agent=agent, state__in=OPEN).count() >= MAX_WAITING:
        raise NotPossible("Too many commands wait for this agent.")


def cancel(command: AgentCommand, *, actor: Any, **where: str) -> None:
    """Cancel what is only queued; ask the agent to stop what it may have.

    Raises NotPossible where it is over.
    """
    now = timezone.now()
    with transaction.atomic():
        rows = AgentCommand.objects.filter(pk=command.pk)
        changed = rows.filter(state=CommandState.QUEUED).update(
            state=CommandState.CANCELLED,
            cancel_requested_at=now,
            changed_at=now,
            finished_at=now,
        )
        if not changed:
            changed = rows.filter(state__in=WITH_AGENT, cancel_requested_at=None).update(
                cancel_requested_at=now, changed_at=now
            )
            if not changed and not rows.filter(state__in=WITH_AGENT).exists():
                raise NotPossible("This is over already.")
            wake.commands(command.agent_id)
        if changed:
            _record("agent.command.cancelled", command, actor, where)
            announce.command_changed(command)
    command.refresh_from_db()


def take(agent: Agent, *, again: bool) -> tuple[list[AgentCommand], list[AgentCommand]]:
    """What to send to the agent now, oldest first, marked as sent; and what it is to cancel.

    `again`, after a connect: also what an earlier connection may have lost or the agent has in
    hand. What is too old for its time to live expires here instead of being sent.
    """
    now = timezone.now()
    wanted = Q(state__in=OPEN)
    if not again:
        wanted = Q(state=CommandState.QUEUED) | (wanted & Q(cancel_requested_at__isnull=False))
    rows = AgentCommand.objects.filter(wanted, agent=agent).select_related("agent", "requester")
    send, stop = [], []
    for command in rows.order_by("id")[:MAX_WAITING]:
        if command.cancel_requested_at is not None:
            stop.append(command)
        elif command.state == CommandState.QUEUED:
            if _send_first(command, now):
                send.append(command)
        elif command.state == CommandState.SENT and command.expires_at <= now - SENT_GRACE:
            _end_here(command, CommandState.EXPIRED, "ttl", _TOO_LATE, now)
        else:
            AgentCommand.objects.filter(pk=command.pk).update(
                attempts=F("attempts") + 1, sent_at=now
            )
            send.append(command)
    return send, stop


def _send_first(command: AgentCommand, now: datetime) -> bool:
    """Mark a queued command as sent, unless it is too late or not allowed any more."""
    if command.expires_at <= now:
        _end_here(command, CommandState.EXPIRED, "ttl", _TOO_LATE, now)
        return False
    if command.type not in command.agent.allowed_commands:
        _end_here(command, CommandState.FAILED, "not-allowed", _NOT_ALLOWED, now)
        return False
    with transaction.atomic(savepoint=False):
        changed = AgentCommand.objects.filter(pk=command.pk, state=CommandState.QUEUED).update(
            state=CommandState.SENT, attempts=F("attempts") + 1, sent_at=now, changed_at=now
        )
        if changed:
            announce.soon(command.agent, command.pk)
    return bool(changed)


_TOO_LATE = "It was not begun in time."
_NOT_ALLOWED = "This agent is no longer allowed this command."


def accepted(agent: Agent, command_id: int) -> bool:
    """The agent has the command in its journal. True where that is new."""
    now = timezone.now()
    with transaction.atomic(savepoint=False):
        changed = AgentCommand.objects.filter(
            pk=command_id, agent=agent, state=CommandState.SENT
        ).update(state=CommandState.ACCEPTED, changed_at=now)
        if changed:
            announce.soon(agent, command_id)
    return bool(changed)


def progressed(agent: Agent, command_id: int, done: int, total: int, words: str) -> bool:
    """The command runs. True where it was open."""
    now = timezone.now()
    with transaction.atomic(savepoint=False):
        rows = AgentCommand.objects.filter(pk=command_id, agent=agent, state__in=WITH_AGENT)
        rows.filter(started_at=None).update(started_at=now)
        changed = rows.update(
            state=CommandState.RUNNING,
            steps_done=done,
            steps_total=total,
            progress=words,
            changed_at=now,
        )
        if changed:
            announce.soon(agent, command_id)
    return bool(changed)


def ended(agent: Agent, command_id: int, result: protocol.Result) -> bool:
    """The agent's last word on a command that it got; the same again changes nothing.

    False where there is no such command of the agent, or it was never sent.
    """
    now = timezone.now()
    state = ENDS[result.outcome]
    correctable = Q(state__in=WITH_AGENT) | (
        Q(attempts__gt=0)
        & (
            Q(state__in=[CommandState.EXPIRED, CommandState.CANCELLED])
            | Q(state=CommandState.FAILED, code=LOST)
        )
        & ~Q(state=state)
    )
    with transaction.atomic(savepoint=False):
        changed = AgentCommand.objects.filter(correctable, pk=command_id, agent=agent).update(
            state=state,
            code=result.code,
            message=result.message,
            result=result.data,
            changed_at=now,
            finished_at=now,
        )
        if changed:
            command = AgentCommand.objects.select_related("agent", "requester").get(pk=command_id)
            _record(
                "agent.command.ended",
                command,
                None,
                {},
                outcome="ok" if state == CommandState.DONE else "failed",
                state=state.value,
            )
            discs.ended(command)
        if _told(agent, command_id, changed):
            return True
    return AgentCommand.objects.filter(pk=command_id, agent=agent, attempts__gt=0).exists()


def refused(agent: Agent, command_id: int, code: str, words: str) -> bool:
    """The agent could not read the command or will not take it: it fails with its reason."""
    return ended(
        agent,
        command_id,
        protocol.Result(id=str(command_id), outcome=protocol.FAILED, code=code, message=words),
    )


def expire() -> int:
    """Call expired what was not begun in its time to live; how many."""
    now = timezone.now()
    late = Q(state=CommandState.QUEUED, expires_at__lte=now) | Q(
        state=CommandState.SENT, expires_at__lte=now - SENT_GRACE
    )
    rows = AgentCommand.objects.filter(late, state__in=WAITING)
    return sum(
        _end_here(command, CommandState.EXPIRED, "ttl", _TOO_LATE, now)
        for command in rows.select_related("agent").order_by("id")[:500]
    )


def give_up() -> int:
    """Call lost what an agent took and never told of again; how many."""
    now = timezone.now()
    rows = AgentCommand.objects.filter(
        state__in=[CommandState.ACCEPTED, CommandState.RUNNING], changed_at__lte=now - LOST_AFTER
    )
    words = "The agent took it and was not heard of again. Whether it was done is not known."
    return sum(
        _end_here(command, CommandState.FAILED, LOST, words, now)
        for command in rows.select_related("agent").order_by("id")[:500]
    )


def _end_here(
    command: AgentCommand, state: CommandState, code: str, words: str, now: datetime
) -> bool:
    with transaction.atomic(savepoint=False):
        changed = AgentCommand.objects.filter(pk=command.pk, state=command.state).update(
            state=state, code=code, message=words, changed_at=now, finished_at=now
        )
        if changed:
            _record("agent.command.ended", command, None, {}, outcome="failed", state=state.value)
            announce.command_changed(command)
    return bool(changed)


def _told(agent: Agent, command_id: int, changed: int) -> bool:
    if changed:
        announce.command_of(agent, command_id)
    return bool(changed)


def _record(
    action: str,
    command: AgentCommand,
    actor: Any,
    where: dict[str, str],
    *,
    outcome: str = "ok",
    **detail: Any,
) -> None:
    audit.record(
        action,
        actor=actor,
        site=command.agent.site_id,
        outcome=outcome,
        detail={
            "agent": command.agent_id,
            "command": command.pk,
            "type": command.type,
            **detail,
        },
        **where,
    )
