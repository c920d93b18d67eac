"""`agent.changed` and `command.changed`: once for each thing that moved in a transaction."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agents.models import Agent, AgentCommand
from pacs import events

_Moved = tuple[int, int, int]
_local = threading.local()
_lock = threading.Lock()
_steps: set[_Moved] = set()


def agent_changed(agent: Agent) -> None:
    _tell((agent.site_id, agent.pk, 0))


def command_changed(command: AgentCommand) -> None:
    _tell((command.agent.site_id, command.agent_id, command.pk))


def command_of(agent: Agent, command_id: int) -> None:
    """The same where the agent is at hand and the command's row is not."""
    _tell((agent.site_id, agent.pk, command_id))


def soon(agent: Agent, command_id: int) -> None:
    """A step on the way: told within half a second, unless a later step is told before.

    Only in the process of the agent's socket, whose hub publishes what waits; elsewhere at once.
    """
    if getattr(_local, "moved", None) is None:
        command_of(agent, command_id)
    else:
        with _lock:
            _steps.add((agent.site_id, agent.pk, command_id))


def publish_steps() -> None:
    """Tell of the steps that wait."""
    with _lock:
        steps = set(_steps)
        _steps.clear()
    for each in steps:
        _tell(each)


def steps_wait() -> bool:
    return bool(_steps)


@contextmanager
def together() -> Iterator[None]:
    """Publish at the end what was announced inside, once each, in an order that every writer
    keeps: a site's number is a row that writers wait for.
    """
    outer: set[_Moved] | None = getattr(_local, "moved", None)
    moved: set[_Moved] = set()
    _local.moved = moved
    try:
        yield
    finally:
        _local.moved = outer
    for site, found in itertools.groupby(sorted(moved), key=lambda each: each[0]):
        events.publish_together(site, [_event(each) for each in found])
    with _lock:
        _steps.difference_update(moved)


def _tell(moved: _Moved) -> None:
    collected: set[_Moved] | None = getattr(_local, "moved", None)
    if collected is None:
        _publish(moved)
    else:
        collected.add(moved)


def _publish(moved: _Moved) -> None:
    type, extra = _event(moved)
    events.publish(type, site=moved[0], **extra)


def _event(moved: _Moved) -> tuple[str, dict[str, Any]]:
    _, agent, command = moved
    if command:
        return "command.changed", {"agent": agent, "command": command}
    return "agent.changed", {"agent": agent}
