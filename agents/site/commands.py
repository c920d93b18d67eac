"""Executes what the portal asks for, within what this agent's own configuration permits.

The portal is not trusted: a command that is not on the local list is refused whatever the portal
says, each is written to the audit log before it begins, and none begins twice or after its time.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agents import protocol
from agents.site.auditlog import AuditLog
from agents.site.journal import ACCEPTED, RUNNING, Journal
from agents.site.problems import Problems

log = logging.getLogger("agents.site")

RUN_AT_ONCE = 4
PROGRESS_EVERY = 1.0

Tell = Callable[[int, int], None]
"""`tell(done, total)`: how far a command has come."""
Handler = Callable[[dict[str, Any], Tell], Awaitable[dict[str, Any]]]
"""Takes checked parameters, gives the result's data; raises CommandError."""


class CommandError(Exception):
    """Why a command failed: a code for programs, words for people."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class Dispatcher:
    """Takes commands from the connection and leaves their results in the journal.

    `say` sends a message now or, where there is no connection, not at all; `report` is
    told the id of a command whose result is to be sent, also where it was sent before.
    """

    def __init__(
        self,
        allowed: frozenset[str],
        handlers: Mapping[str, Handler],
        journal: Journal,
        audit: AuditLog,
        problems: Problems,
    ) -> None:
        self._handlers = {name: each for name, each in handlers.items() if name in allowed}
        self._journal = journal
        self._audit = audit
        self._problems = problems
        self._slots = asyncio.Semaphore(RUN_AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self.say: Callable[[protocol.Message], None] = lambda _message: None
        self.report: Callable[[str], None] = lambda _id: None

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What this agent can do and may."""
        return tuple(sorted(self._handlers))

    @property
    def is_busy(self) -> bool:
        """Whether a command is in hand."""
        return bool(self._tasks)

    async def recover(self) -> None:
        """At start: what ran when the agent died is reported as interrupted."""
        for key, command, requester in await asyncio.to_thread(self._journal.interrupted):
            self._audit.record(
                "command.interrupted",
                requester=requester,
                detail={"key": key, "command": command},
            )

    async def take(self, command: protocol.Command) -> None:
        """Note a command, say so, and start it unless it was taken before."""
        key = command.idempotency_key
        deadline = time.monotonic() + command.ttl
        try:
            state = await asyncio.to_thread(self._journal.take, command)
        except sqlite3.Error as error:
            # Not noted, so not done: the portal sends it again.
            self._problems.note("journal", f"a command could not be noted: {error}")
            return
        self.say(protocol.Accepted(id=command.id, of="command"))
        if state != ACCEPTED:
            self.report(command.id)
        elif key not in self._tasks:
            task = asyncio.create_task(self._run(command, deadline))
            self._tasks[key] = task
            task.add_done_callback(lambda _task: self._tasks.pop(key, None))

    async def cancel(self, cancel: protocol.Cancel) -> None:
        """Keep a command from beginning, or stop it."""
        self._audit.record("command.cancel", detail={"key": cancel.idempotency_key})
        before = await asyncio.to_thread(self._journal.cancel, cancel)
        task = self._tasks.get(cancel.idempotency_key)
        if before == RUNNING and task is not None:
            task.cancel()
        self.report(cancel.id)

    async def stop(self) -> None:
        """Break off what runs; the journal tells at the next start."""
        self._stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, command: protocol.Command, deadline: float) -> None:
        key = command.idempotency_key
        try:
            result = await self._execute(command, deadline)
        except asyncio.CancelledError:
            if self._stopping:
                raise
            result = protocol.Result(id=command.id, outcome=protocol.CANCELLED)
        except OSError as error:
            # No audit line, no action.
            self._problems.note("audit", f"the audit log cannot be written: {error.strerror}")
            result = _failed(command, "audit", "The agent's audit log cannot be written.")
        if result is None:
            return
        await self._end(key, command, result)

    async def _execute(self, command: protocol.Command, deadline: float) -> protocol.Result | None:
        detail = {
            "key": command.idempotency_key,
            "command": command.command,
            "params": command.params,
        }
        handler = self._handlers.get(command.command)
        if handler is None:
            self._audit.record("command.refused", requester=command.requester, detail=detail)
            self._problems.note("refused", f"the portal asked for {command.command[:40]!a}")
            return _failed(command, "not-allowed", "This agent is not allowed to do that.")
        try:
            params = protocol.check_params(command.command, command.params)
        except protocol.ProtocolError as error:
            self._audit.record("command.refused", requester=command.requester, detail=detail)
            return _failed(command, error.code, error.message)
        async with self._slots:
            if time.monotonic() > deadline or command.ttl <= 0:
                self._audit.record("command.expired", requester=command.requester, detail=detail)
                return protocol.Result(
                    id=command.id,
                    outcome=protocol.EXPIRED,
                    code="expired",
                    message="The command came too late and was not begun.",
                )
            if not await asyncio.to_thread(self._journal.begin, command.idempotency_key):
                return None  # cancelled meanwhile
            self._audit.record("command.begun", requester=command.requester, detail=detail)
            return await self._perform(command, handler, params)

    async def _perform(
        self, command: protocol.Command, handler: Handler, params: dict[str, Any]
    ) -> protocol.Result:
        told_at = -PROGRESS_EVERY

        def tell(done: int, total: int) -> None:
            nonlocal told_at
            if (now := time.monotonic()) - told_at >= PROGRESS_EVERY:
                told_at = now
                self.say(protocol.Progress(id=command.id, done=done, total=total))

        tell(0, 0)
        try:
            data = await handler(params, tell)
        except CommandError as error:
            return _failed(command, error.code, error.words)
        except Exception as error:
            log.exception("command %s failed", command.command)
            self._problems.note("command", f"{command.command}: {type(error).__name__}")
            return _failed(command, "internal", "The agent had a fault; see its log.")
        return protocol.Result(id=command.id, outcome=protocol.DONE, data=data)

    async def _end(self, key: str, command: protocol.Command, result: protocol.Result) -> None:
        while True:
            try:
                await asyncio.to_thread(self._journal.end, key, result)
                break
            except sqlite3.Error as error:
                self._problems.note("journal", f"a result could not be noted: {error}")
                await asyncio.sleep(2.0)
        try:
            self._audit.record(
                "command.ended",
                requester=command.requester,
                detail={"key": key, "outcome": result.outcome, "code": result.code},
            )
        except OSError as error:
            self._problems.note("audit", f"the audit log cannot be written: {error.strerror}")
        self.report(command.id)


def _failed(command: protocol.Command, code: str, words: str) -> protocol.Result:
    return protocol.Result(
        id=command.id, outcome=protocol.FAILED, code=code[:60], message=words[:2000]
    )
