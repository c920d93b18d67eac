"""Executes what the portal asks for, within what this agent's own configuration permits.

The portal is not trusted: a command that is not on the local list is refused whatever the portal
says, each is written to the audit log before it begins, and none begins twice or after its time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import sqlite3
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Protocol

from agents import protocol
from agents.site.auditlog import AuditLog
from agents.site.journal import ACCEPTED, RUNNING, Journal
from agents.site.problems import Problems

log = logging.getLogger("agents.site")

RUN_AT_ONCE = 4
PROGRESS_EVERY = 1.0
LONG = 1024


class Tell(Protocol):
    """`tell(done, total, words)`: how far a command has come; and which command it is.

    `deadline`: the moment (monotonic) after which it must not begin. `cancelled`: that is why the
    handler is being cancelled, and not because the agent stops.
    """

    command: protocol.Command
    deadline: float
    cancelled: bool

    def __call__(self, done: int, total: int, words: str = "", /) -> None: ...


Handler = Callable[[dict[str, Any], Tell], Awaitable[dict[str, Any]]]
"""Takes checked parameters, gives the result's data; raises CommandError."""
Resume = Callable[[Tell], Awaitable[dict[str, Any]]]
"""The same for a command that ran when the agent stopped: finds out how it ended, begins nothing.
Its command has neither parameters nor a deadline."""


class CommandError(Exception):
    """Why a command failed: a code for programs, words for people.

    `outcome` where it did not fail: "cancelled" or "expired".
    """

    def __init__(self, code: str, words: str, outcome: str = protocol.FAILED) -> None:
        super().__init__(words)
        self.code = code
        self.words = words
        self.outcome = outcome


class _Running:
    """A command that runs, as its handler sees it."""

    def __init__(
        self,
        command: protocol.Command,
        say: Callable[[protocol.Message], None],
        deadline: float = math.inf,
    ) -> None:
        self.command = command
        self.deadline = deadline
        self.cancelled = False
        self._say = say
        self._told_at, self._told = -PROGRESS_EVERY, ""

    def __call__(self, done: int, total: int, words: str = "", /) -> None:
        if (now := time.monotonic()) - self._told_at >= PROGRESS_EVERY or words != self._told:
            self._told_at, self._told = now, words
            self._say(
                protocol.Progress(id=self.command.id, done=done, total=total, message=words[:300])
            )


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
        resumes: Mapping[str, Resume] | None = None,
        also: tuple[str, ...] = (),
    ) -> None:
        self._also = also
        self._resumes = resumes or {}
        self._handlers = {name: each for name, each in handlers.items() if name in allowed}
        self._journal = journal
        self._audit = audit
        self._problems = problems
        # Of each kind: a printer that is away must not keep files from being scanned.
        self._slots = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(RUN_AT_ONCE))
        self._slots[protocol.BURN_DISC] = asyncio.Semaphore(1)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, _Running] = {}
        self._stopping = False
        self.say: Callable[[protocol.Message], None] = lambda _message: None
        self.report: Callable[[str], None] = lambda _id: None

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What this agent can do and may; `also` is what it does unasked."""
        return tuple(sorted({*self._handlers, *self._also}))

    @property
    def is_busy(self) -> bool:
        """Whether a command is in hand."""
        return bool(self._tasks)

    async def recover(self) -> None:
        """At start: what ran when the agent died goes on where that can be, else is reported as
        interrupted.
        """
        resumable = tuple(self._resumes)
        for key, command, requester in await asyncio.to_thread(
            self._journal.interrupted, resumable
        ):
            self._audit.record(
                "command.interrupted",
                requester=requester,
                detail={"key": key, "command": command},
            )
        for each in await asyncio.to_thread(self._journal.running):
            self._start(each.idempotency_key, self._resume(each))

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
            self._start(key, self._run(command, self._execute(command, deadline)))

    async def cancel(self, cancel: protocol.Cancel) -> None:
        """Keep a command from beginning, or stop it."""
        self._audit.record("command.cancel", detail={"key": cancel.idempotency_key})
        before = await asyncio.to_thread(self._journal.cancel, cancel)
        task = self._tasks.get(cancel.idempotency_key)
        if before == RUNNING and task is not None:
            if (running := self._running.get(cancel.idempotency_key)) is not None:
                running.cancelled = True
            task.cancel()
        self.report(cancel.id)

    async def stop(self) -> None:
        """Break off what runs; the journal tells at the next start."""
        self._stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks[key] = task
        task.add_done_callback(lambda _task: self._tasks.pop(key, None))

    async def _resume(self, command: protocol.Command) -> None:
        key = command.idempotency_key
        detail = {"key": key, "command": command.command}
        resume = self._resumes[command.command]

        async def work() -> protocol.Result:
            self._audit.record("command.resumed", requester=command.requester, detail=detail)
            return await self._perform(_Running(command, self.say), resume)

        await self._run(command, work())

    async def _run(
        self, command: protocol.Command, work: Coroutine[Any, Any, protocol.Result | None]
    ) -> None:
        key = command.idempotency_key
        try:
            result = await work
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
            "params": _brief(command),
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
        async with self._slots[command.command]:
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
            running = _Running(command, self.say, deadline)
            running(0, 0)
            return await self._perform(running, partial(handler, params))

    async def _perform(self, running: _Running, handler: Resume) -> protocol.Result:
        command = running.command
        self._running[command.idempotency_key] = running
        try:
            data = await handler(running)
        except CommandError as error:
            return _failed(command, error.code, error.words, error.outcome)
        except Exception as error:
            log.exception("command %s failed", command.command)
            self._problems.note("command", f"{command.command}: {type(error).__name__}")
            return _failed(command, "internal", "The agent had a fault; see its log.")
        finally:
            self._running.pop(command.idempotency_key, None)
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


def _brief(command: protocol.Command) -> dict[str, Any]:
    """The parameters for the audit log: of a report and of long texts the SHA-256."""
    found = {}
    for name, value in command.params.items():
        hidden = command.command == protocol.SEND_ORU and name in ("report", "text", "pdf")
        if value and (hidden or (isinstance(value, str) and len(value) > LONG)):
            digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
            found[name] = f"sha256:{digest}"
        else:
            found[name] = value
    return found


def _failed(
    command: protocol.Command, code: str, words: str, outcome: str = protocol.FAILED
) -> protocol.Result:
    return protocol.Result(id=command.id, outcome=outcome, code=code[:60], message=words[:2000])
