"""Printing as the agent does it, without a portal's socket: commands in, results out.

The document comes from a small server that stands for the portal's address of documents.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from agents import protocol
from agents.site.auditlog import AuditLog
from agents.site.commands import Dispatcher
from agents.site.database import Database
from agents.site.journal import Journal, Outbox
from agents.site.options import PortalSection, PrintingSection
from agents.site.printing.printing import Printing
from agents.site.problems import Problems
from agents.site.secret import Secret
from tests.servers.documents import pdf
from tests.servers.ports import free_port

PAGE = pdf("Findings of the bench")


class DocumentServer:
    """Gives `answer()` for every document; `asked` keeps the headers of the requests."""

    def __init__(self) -> None:
        self.port = free_port()
        self.answer: Callable[[], web.Response] = lambda: web.Response(body=PAGE)
        self.asked: list[dict[str, str]] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> DocumentServer:
        app = web.Application()
        app.router.add_post("/api/agents/commands/{id}/document/", self._give)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _give(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        return self.answer()


class PrintBench:
    """One agent's printing. Its state in `folder` outlives it, as an agent's does."""

    def __init__(self, folder: Path, server: str, **options: Any) -> None:
        self.folder = folder
        self.documents = DocumentServer()
        self.said: list[protocol.Progress] = []
        section = PrintingSection(server=server, **options)
        url = f"http://127.0.0.1:{self.documents.port}"
        portal = PortalSection(url=url, api_key=Secret("lba_test"))
        folder.mkdir(exist_ok=True)
        self.database = Database(folder / "agent.sqlite3")
        self.journal = Journal(self.database)
        self.outbox = Outbox(self.database)
        self.audit = AuditLog(folder / "audit.jsonl")
        self.problems = Problems()
        self.changes = 0
        self.printing = Printing(
            section, portal, self.database, self.outbox, self.problems, self._changed
        )
        self.dispatcher = Dispatcher(
            frozenset({"list-printers", "print-report"}),
            self.printing.table(),
            self.journal,
            self.audit,
            self.problems,
            self.printing.resumes(),
        )
        self.dispatcher.say = self._say

    async def __aenter__(self) -> PrintBench:
        await self.documents.__aenter__()
        await self.printing.start()
        await self.dispatcher.recover()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.dispatcher.stop()
        await self.printing.close()
        await self.documents.__aexit__()
        self.audit.close()
        self.database.close()

    def _changed(self) -> None:
        self.changes += 1

    def _say(self, message: protocol.Message) -> None:
        if isinstance(message, protocol.Progress):
            self.said.append(message)

    async def give(self, printer: str, *, ttl: int = 900, **more: Any) -> protocol.Command:
        """A print command, begun."""
        sha256 = more.pop("sha256", hashlib.sha256(PAGE).hexdigest())
        command = protocol.Command(
            id=more.pop("id", str(uuid.uuid4().int % 10**9)),
            idempotency_key=more.pop("key", uuid.uuid4().hex),
            command=more.pop("command", "print-report"),
            ttl=ttl,
            expires_at=datetime.now(UTC) + timedelta(seconds=ttl),
            requester="ann",
            params={"reportId": 12, "printer": printer, **more},
            document=protocol.Ticket(token="secret-token", sha256=sha256),
        )
        await self.dispatcher.take(command)
        return command

    async def result(self, command: protocol.Command) -> protocol.Result:
        """How it ended."""
        return await self.until(
            lambda: next((r for r in self.journal.unreported() if r.id == command.id), None),
            "a result",
        )

    async def print(self, printer: str, **more: Any) -> protocol.Result:
        return await self.result(await self.give(printer, **more))

    async def until(self, look: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """Poll `look` until it gives something."""
        async with asyncio.timeout(seconds):
            while not (found := look()):
                await asyncio.sleep(0.02)
        return found

    async def printing_now(self) -> None:
        """Until the printer has begun."""
        await self.until(lambda: [each for each in self.said if each.done == 1], "printing")
