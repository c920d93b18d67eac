"""What an agent is told to do: every change of a command's state, each a compare-and-set.

    queued -> sent -> accepted -> running -> done | failed | expired | cancelled

The agent's word about the end is the truth: a late result corrects a command that had been sent
and was called expired, cancelled or lost meanwhile. Nothing else leaves an end.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from agents import announce, discs, protocol, wake
from agents.errors import NotConnected, NotPossible
from agents.models import OPEN, WAITING, WITH_AGENT, Agent, AgentCommand, AgentState, CommandState
from agents.printing import orders
from agents.reporting.told import ended as tell_deliveries
from pacs import audit, statements

# What a dead connection may still bring after the time to live, before a sent command expires.
SENT_GRACE = timedelta(seconds=60)
# Accepted, and nothing heard of it for so long: whether it was done is not known.
LOST_AFTER = timedelta(hours=24)
LOST = "lost"
MAX_TTL = 7 * 24 * 3600
MAX_WAITING = 1000
_WAITING = (
    f"SELECT count(*) FROM {AgentCommand._meta.db_table} WHERE agent_id = %s"  # noqa: S608
    f" AND state IN ({', '.join(['%s'] * len(OPEN))})"
)
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
    # A key of our own is new.
    found = _same(agent, key, type, checked) if idempotency_key else None
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
    if statements.select(_WAITING, [agent.pk, *OPEN])[0][0] >= MAX_WAITING:
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


Taken = tuple[list[AgentCommand], list[AgentCommand]]


def take(agent: Agent, *, again: bool) -> Taken:
    """What to send to the agent now, oldest first, marked as sent; and what it is to cancel.

    `again`, after a connect: also what an earlier connection may have lost or the agent has in
    hand. What is too old for its time to live expires here instead of being sent.
    """
    with transaction.atomic(savepoint=False):
        return take_together([(agent, again)])[0]


def take_one(agent: Agent, again: bool) -> Taken:
    """`take`, by place."""
    return take(agent, again=again)


def take_together(wanted: list[tuple[Agent, bool]]) -> list[Taken]:
    """`take` for several agents, in the caller's transaction: the same queries for all of them."""
    now = timezone.now()
    agents = {agent.pk: agent for agent, _ in wanted}
    whole = {agent.pk for agent, again in wanted if again}
    new = Q(state=CommandState.QUEUED) | Q(state__in=OPEN, cancel_requested_at__isnull=False)
    due = Q(agent__in=agents.keys() - whole) & new
    if whole:
        due |= Q(agent__in=whole, state__in=OPEN)
    allowed = dict(
        Agent.objects.filter(pk__in=agents).order_by().values_list("pk", "allowed_commands")
    )
    rows = AgentCommand.objects.filter(due).select_related("requester").only(*_SENT_FIELDS)
    found: dict[int, Taken] = {pk: ([], []) for pk in agents}
    first, again_sent = [], []
    for command in rows.order_by("id")[: MAX_WAITING * len(agents)]:
        command.agent = agents[command.agent_id]
        send, stop = found[command.agent_id]
        if command.cancel_requested_at is not None:
            stop.append(command)
        elif command.state == CommandState.QUEUED:
            if _may_begin(command, allowed.get(command.agent_id, ()), now):
                first.append(command.pk)
                send.append(command)
        elif command.state == CommandState.SENT and command.expires_at <= now - SENT_GRACE:
            _end_here(command, CommandState.EXPIRED, "ttl", _TOO_LATE, now)
        else:
            again_sent.append(command.pk)
            send.append(command)
    if again_sent:
        AgentCommand.objects.filter(pk__in=again_sent).update(
            attempts=F("attempts") + 1, sent_at=now
        )
    lost = _mark_sent(first, now)
    for send, _ in found.values():
        send[:] = [command for command in send if command.pk not in lost]
        for command in send:
            if command.state == CommandState.QUEUED:
                announce.soon(command.agent, command.pk)
    # Asked for twice in one go, it is given once.
    return [found.pop(agent.pk, ([], [])) for agent, _ in wanted]


_SENT_FIELDS = (
    *("agent_id", "type", "params", "idempotency_key", "state", "attempts", "expires_at"),
    *("cancel_requested_at", "requester_id", "requester__username"),
)


def _mark_sent(ids: list[int], now: datetime) -> set[int]:
    """Mark queued commands as sent; those that somebody else took or ended meanwhile."""
    if not ids:
        return set()
    rows = AgentCommand.objects.filter(pk__in=ids)
    changed = rows.filter(state=CommandState.QUEUED).update(
        state=CommandState.SENT, attempts=F("attempts") + 1, sent_at=now, changed_at=now
    )
    if changed == len(ids):
        return set()
    mine = rows.filter(state=CommandState.SENT, sent_at=now).values_list("pk", flat=True)
    return set(ids) - set(mine)


def _may_begin(command: AgentCommand, allowed: Any, now: datetime) -> bool:
    """Whether a queued command is sent; one that is too late or not allowed any more ends here."""
    if command.expires_at <= now:
        _end_here(command, CommandState.EXPIRED, "ttl", _TOO_LATE, now)
        return False
    if command.type not in allowed:
        _end_here(command, CommandState.FAILED, "not-allowed", _NOT_ALLOWED, now)
        return False
    return True


_TOO_LATE = "It was not begun in time."
_NOT_ALLOWED = "This agent is no longer allowed this command."


def accepted(agent: Agent, command_id: int) -> bool:
    """The agent has the command in its journal. True where that is new."""
    with transaction.atomic(savepoint=False):
        return accepted_together([(agent, command_id)])[0]


def accepted_together(told: list[tuple[Agent, int]]) -> list[bool]:
    """`accepted` for several, in the caller's transaction."""
    rows = AgentCommand.objects.select_for_update().filter(
        pk__in={number for _, number in told}, state=CommandState.SENT
    )
    waiting = set(rows.order_by("pk").values_list("agent_id", "pk"))
    new = [(agent.pk, number) in waiting for agent, number in told]
    numbers = {number for (_, number), is_new in zip(told, new, strict=True) if is_new}
    if numbers:
        AgentCommand.objects.filter(pk__in=numbers, state=CommandState.SENT).update(
            state=CommandState.ACCEPTED, changed_at=timezone.now()
        )
    for (agent, number), is_new in zip(told, new, strict=True):
        if is_new:
            announce.soon(agent, number)
    return new


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
    with transaction.atomic(savepoint=False):
        return ended_together([(agent, command_id, result)])[0]


def ended_together(told: list[tuple[Agent, int, protocol.Result]]) -> list[bool]:
    """`ended` for several, in the caller's transaction."""
    rows = AgentCommand.objects.select_for_update().filter(pk__in={each[1] for each in told})
    fields = ("pk", "agent_id", "type", "state", "attempts", "code", "idempotency_key")
    known = {row["pk"]: row for row in rows.order_by("pk").values(*fields)}
    now = timezone.now()
    ends: dict[int, tuple[Any, ...]] = {}
    trail, answers = [], []
    for agent, number, result in told:
        row = known.get(number)
        if row is None or row["agent_id"] != agent.pk:
            answers.append(False)
            continue
        state = ENDS[result.outcome]
        answers.append(row["attempts"] > 0 or row["state"] in WITH_AGENT)
        if not _takes_end(row, state):
            continue
        row |= {"state": state.value, "code": result.code}
        ends[number] = (state.value, result.code, result.message, result.data, number)
        trail.append(
            audit.event(
                "agent.command.ended",
                site=agent.site_id,
                outcome="ok" if state == CommandState.DONE else "failed",
                detail={
                    "agent": agent.pk,
                    "command": number,
                    "type": row["type"],
                    "state": state.value,
                },
            )
        )
        announce.command_of(agent, number)
    if ends:
        _write_ends(list(ends.values()), now)
        audit.record_together(trail)
        tell_deliveries([known[number]["idempotency_key"] for number in ends])
        _note_discs([number for number in ends if known[number]["type"] == protocol.BURN_DISC])
    return answers


def _note_discs(numbers: list[int]) -> None:
    for command in AgentCommand.objects.select_related("agent", "requester").filter(pk__in=numbers):
        discs.ended(command)


def _takes_end(row: dict[str, Any], state: CommandState) -> bool:
    """Whether an agent's word ends this command, or corrects what was thought of it."""
    if row["state"] in WITH_AGENT:
        return True
    guessed = row["state"] in (CommandState.EXPIRED, CommandState.CANCELLED) or (
        row["state"] == CommandState.FAILED and row["code"] == LOST
    )
    return bool(row["attempts"] > 0 and guessed and row["state"] != state)


def _write_ends(ends: list[tuple[Any, ...]], now: datetime) -> None:
    """State, code, message and result by number; the rows are locked. Each differs from the next,
    and Django would put every statement together anew: the same one runs for all instead.
    """
    ops = connection.ops
    moment = ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {AgentCommand._meta.db_table} SET state = %s, code = %s, message = %s,"  # noqa: S608
            " result = %s, changed_at = %s, finished_at = %s WHERE id = %s",
            [
                (*words, ops.adapt_json_value(data, None), moment, moment, number)
                for *words, data, number in ends
            ],
        )


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
            tell_deliveries([command.idempotency_key])
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
