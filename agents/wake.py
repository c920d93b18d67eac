"""Tells the process that holds an agent's socket that there is something to do.

A lost call is made up for by that process, which looks by itself every two seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction

from pacs.events import sender

GROUP = "agents"
Call = Callable[[dict[str, Any]], None]
# The agents whose sockets this process holds; called from any thread.
here: dict[int, Call] = {}


def commands(agent_id: int) -> None:
    """There are commands, or cancellations, for the agent; sent after the commit."""
    _send(agent_id, what="commands")


def look_again(agent_id: int) -> None:
    """Keys, networks or the switch have changed: may the connection stay? After the commit."""
    _send(agent_id, what="access")


def replaced(agent_id: int, connection: str) -> None:
    """A newer connection has come: every other one closes. After the commit."""
    _send(agent_id, what="replaced", connection=connection)


def news(agent_id: int, of: str) -> None:
    """There is something new for the agent to fetch. After the commit; a lost call is made up for
    by the agent, which asks by itself."""
    _send(agent_id, what="news", of=of)


def _send(agent_id: int, **message: Any) -> None:
    event = {"agent": agent_id, **message}

    def call() -> None:
        local = here.get(agent_id)
        if local is not None:
            local(event)
        # Of several connections of one agent any process may hold the older.
        if local is None or message["what"] == "replaced":
            sender.send(GROUP, event)

    transaction.on_commit(call)
