"""Changes of a command's state: each happens once, whoever comes at the same moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from agents import commands, protocol
from agents.errors import NotPossible
from agents.models import OPEN, Agent, AgentCommand
from pacs.audit.models import AuditEvent

STATES = ["queued", "sent", "accepted", "running", "done", "failed", "expired", "cancelled"]
ENDS = {"done", "failed", "expired", "cancelled"}


def make(agent: Agent, state: str = "queued", **fields: Any) -> AgentCommand:
    fields.setdefault("attempts", 0 if state == "queued" else 1)
    fields.setdefault("expires_at", timezone.now() + timedelta(hours=1))
    fields.setdefault("idempotency_key", f"k{AgentCommand.objects.count()}")
    return AgentCommand.objects.create(agent=agent, type="ping", state=state, **fields)


def result(command: AgentCommand, outcome: str = "done") -> protocol.Result:
    return protocol.Result(id=str(command.pk), outcome=outcome)


def state(command: AgentCommand) -> str:
    command.refresh_from_db()
    return str(command.state)


def steps(agent: Agent, command: AgentCommand) -> dict[str, Callable[[], object]]:
    return {
        "take": lambda: commands.take(agent, again=False)[0],
        "accepted": lambda: commands.accepted(agent, command.pk),
        "progressed": lambda: commands.progressed(agent, command.pk, 1, 2, "x"),
        "done": lambda: commands.ended(agent, command.pk, result(command)),
        "cancelled": lambda: commands.ended(agent, command.pk, result(command, "cancelled")),
        "expire": commands.expire,
    }


# After: what each step makes of each state; what is missing stays as it is.
AFTER = {
    ("queued", "take"): "sent",
    ("sent", "accepted"): "accepted",
    ("sent", "progressed"): "running",
    ("accepted", "progressed"): "running",
    ("running", "progressed"): "running",
    **{(each, "done"): "done" for each in ("sent", "accepted", "running", "expired", "cancelled")},
    **{(each, "cancelled"): "cancelled" for each in ("sent", "accepted", "running", "expired")},
}


@pytest.mark.django_db
@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("step", ["take", "accepted", "progressed", "done", "cancelled", "expire"])
def test_every_step_from_every_state(agent: Agent, before: str, step: str) -> None:
    command = make(agent, before)
    steps(agent, command)[step]()
    assert state(command) == AFTER.get((before, step), before)


@pytest.mark.django_db
@pytest.mark.parametrize("before", STATES)
def test_cancel_from_every_state(agent: Agent, technician: Any, before: str) -> None:
    command = make(agent, before)
    if before in ENDS:
        with pytest.raises(NotPossible):
            commands.cancel(command, actor=technician)
        return
    commands.cancel(command, actor=technician)
    assert state(command) == ("cancelled" if before == "queued" else before)
    assert command.cancel_requested_at is not None
    assert (command in commands.take(agent, again=True)[1]) == (before != "queued")


@pytest.mark.django_db
def test_what_was_never_sent_has_no_result(agent: Agent) -> None:
    for before in ("queued", "cancelled", "expired"):
        command = make(agent, before, attempts=0)
        assert not commands.ended(agent, command.pk, result(command))
        assert state(command) == before


@pytest.mark.django_db
def test_another_agent_has_no_say(agent: Agent, other_agent: Agent) -> None:
    command = make(agent, "running")
    assert not commands.ended(other_agent, command.pk, result(command))
    assert not commands.accepted(other_agent, command.pk)
    assert not commands.progressed(other_agent, command.pk, 1, 1, "")
    assert state(command) == "running"


@pytest.mark.django_db
def test_expiry(agent: Agent) -> None:
    past, long_past = (timezone.now() - timedelta(seconds=each) for each in (1, 120))
    kept = [make(agent, "sent", expires_at=past), make(agent, "running", expires_at=long_past)]
    gone = [make(agent, "queued", expires_at=past), make(agent, "sent", expires_at=long_past)]
    assert commands.expire() == 2
    assert [state(each) for each in kept] == ["sent", "running"]
    assert [state(each) for each in gone] == ["expired", "expired"]
    assert AuditEvent.objects.filter(action="agent.command.ended", outcome="failed").count() == 2


@pytest.mark.django_db
def test_expired_is_not_sent(agent: Agent) -> None:
    command = make(agent, expires_at=timezone.now() - timedelta(seconds=1))
    assert commands.take(agent, again=True) == ([], [])
    assert state(command) == "expired"


@pytest.mark.django_db
def test_no_longer_allowed_is_not_sent(agent: Agent) -> None:
    command = make(agent)
    Agent.objects.update(allowed_commands=[])
    agent.refresh_from_db()
    assert commands.take(agent, again=False)[0] == []
    assert state(command) == "failed"
    assert command.code == "not-allowed"


@pytest.mark.django_db
def test_lost_and_found(agent: Agent) -> None:
    command = make(agent, "running", changed_at=timezone.now() - timedelta(hours=25))
    make(agent, "running")
    assert commands.give_up() == 1
    assert (state(command), command.code) == ("failed", "lost")
    commands.ended(agent, command.pk, result(command))
    assert state(command) == "done"


@pytest.mark.django_db
def test_again_brings_what_is_open_in_order(agent: Agent) -> None:
    rows = [make(agent, each) for each in STATES]
    asked = make(agent, "sent", cancel_requested_at=timezone.now())
    taken, stop = commands.take(agent, again=True)
    assert [each.pk for each in taken] == [each.pk for each in rows if each.state in OPEN]
    assert stop == [asked]
    assert commands.take(agent, again=False)[0] == []


@pytest.mark.django_db
def test_too_many(agent: Agent, technician: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MAX_WAITING", 2)
    make(agent)
    commands.queue(agent, "ping", {}, requester=technician)
    with pytest.raises(NotPossible, match="Too many"):
        commands.queue(agent, "ping", {}, requester=technician)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run all together, each with a database connection of its own; results or exceptions."""

    def run(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except NotPossible as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.mark.django_db(transaction=True)
def test_race_one_idempotency_key(agent: Agent, technician: Any) -> None:
    def ask() -> Any:
        return commands.queue(agent, "ping", {}, requester=technician, idempotency_key="k")

    found = at_once(*[ask] * 8)
    assert len({command.pk for command, _ in found}) == 1
    assert Counter(is_new for _, is_new in found) == {True: 1, False: 7}
    assert AuditEvent.objects.filter(action="agent.command").count() == 1


@pytest.mark.django_db(transaction=True)
def test_race_two_connections_take(agent: Agent) -> None:
    wanted = {make(agent).pk for _ in range(20)}
    taken = at_once(*[lambda: commands.take(agent, again=False)[0]] * 4)
    numbers = [command.pk for each in taken for command in each]
    assert sorted(numbers) == sorted(wanted)


@pytest.mark.django_db(transaction=True)
def test_race_result_against_cancel_expiry_and_progress(agent: Agent, technician: Any) -> None:
    for _ in range(10):
        command = make(agent, "sent", expires_at=timezone.now() - timedelta(hours=1))
        at_once(
            lambda command=command: commands.cancel(command, actor=technician),
            lambda command=command: commands.ended(agent, command.pk, result(command)),
            lambda command=command: commands.progressed(agent, command.pk, 1, 2, ""),
            commands.expire,
        )
        # The agent did it: nothing that happened beside may hide that.
        assert state(command) == "done"


@pytest.mark.django_db(transaction=True)
def test_race_cancel_against_take(agent: Agent, technician: Any) -> None:
    for _ in range(10):
        command = make(agent)
        taken, cancelled = at_once(
            lambda: commands.take(agent, again=False)[0],
            lambda command=command: commands.cancel(command, actor=technician),
        )
        assert cancelled is None
        if state(command) == "cancelled":
            assert taken == []
        else:
            assert [each.pk for each in taken] == [command.pk]
            assert command in commands.take(agent, again=True)[1]


@pytest.mark.django_db(transaction=True)
def test_race_the_same_result_twice(agent: Agent) -> None:
    command = make(agent, "running")
    found = at_once(*[lambda: commands.ended(agent, command.pk, result(command))] * 6)
    assert found == [True] * 6
    assert AuditEvent.objects.filter(action="agent.command.ended").count() == 1
