"""Puts the parts of one agent together, and takes them apart in order at the end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from pathlib import Path
from typing import Any

from agents import protocol
from agents.site import VERSION, launched
from agents.site.auditlog import AuditLog
from agents.site.commands import Dispatcher, Resume
from agents.site.config import Config
from agents.site.connection import Connection
from agents.site.database import Database
from agents.site.disc.burn import Discs
from agents.site.folders import Folder
from agents.site.handlers import Handlers, audit_path
from agents.site.journal import Journal, Outbox
from agents.site.ledger import Ledger
from agents.site.log import Recent
from agents.site.printing.printing import Printing
from agents.site.problems import Problems
from agents.site.relay import Cursors, Relay
from agents.site.ris import Ris
from agents.site.scanners.scanner import Scanner
from agents.site.updates import Updates
from agents.site.uploader import Uploader

log = logging.getLogger("agents.site")

STOP_SECONDS = 20.0
RESTART_WITHIN = 600.0
"""Seconds that other commands may take before a new release starts all the same."""
TIDY_SECONDS = 6 * 3600.0


class AlreadyRunningError(Exception):
    """Another agent uses the same state folder."""


class Agent:
    """One running agent. Make it inside the event loop."""

    def __init__(self, config: Config, recent: Recent) -> None:
        state_dir = config.agent.state_dir
        self._lock = lock(state_dir)
        self._database = Database(state_dir / "agent.sqlite3")
        self._audit = AuditLog(audit_path(state_dir))
        self._ledger = Ledger(self._database)
        self._outbox = Outbox(self._database)
        self._journal = journal = Journal(self._database)
        self.problems = Problems()
        self.uploader = Uploader(config.portal, config.upload, self.problems)
        self.folders = {
            section.name: Folder(
                section, self._ledger, self._outbox, self.uploader, self.problems, self._wake
            )
            for section in config.folders
        }
        self.relays = [
            Relay(
                section,
                Cursors(self._database),
                self.uploader,
                self._outbox,
                self.problems,
                state_dir,
            )
            for section in config.relay
        ]
        self.printing = (
            Printing(
                config.printing,
                config.portal,
                self._database,
                self._outbox,
                self.problems,
                self._tell_state,
            )
            if config.printing.server
            else None
        )
        handlers = Handlers(self.folders, self._audit, recent).table()
        resumes: dict[str, Resume] = {}
        if self.printing is not None:
            handlers |= self.printing.table()
            resumes |= self.printing.resumes()
        self.updates = Updates(
            config.update, config.portal, self._audit, self._outbox, self.problems
        )
        handlers[protocol.UPDATE] = self.updates.update
        self.discs = Discs(
            config.disc,
            config.drives,
            config.portal,
            state_dir,
            journal,
            self._audit,
            self.problems,
        )
        self.ris = Ris(config, self._database, self.problems, self._wake)
        self.scanners = [
            Scanner(section, self._outbox, self.problems, self._wake) for section in config.scanners
        ]
        self.dispatcher = Dispatcher(
            frozenset(config.commands.allow),
            handlers | self.discs.table() | self.ris.table(),
            journal,
            self._audit,
            self.problems,
            resumes,
            self.ris.capabilities,
        )
        self.connection = Connection(
            config.portal, self.dispatcher, journal, self._outbox, self.problems, self._state
        )
        self.connection.news = self.ris.news
        self.updates.told = self._wake
        self.updates.is_registered = lambda: self.connection.registered is not None

    async def run(self) -> int:
        """Until SIGTERM, SIGINT or an update; then what is being uploaded is finished first.

        The exit status.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._audit.record("agent.started", detail={"version": VERSION})
        await asyncio.to_thread(self.discs.recover)
        await asyncio.to_thread(self.ris.recover, self._journal)
        await self.uploader.start()
        if self.printing is not None:
            await self.printing.start()
        await self.dispatcher.recover()
        parts = [
            self.connection.run(),
            *(folder.run() for folder in self.folders.values()),
            *(relay.run() for relay in self.relays),
            *([self.printing.run()] if self.printing is not None else []),
            *(scanner.run() for scanner in self.scanners),
            *self.ris.parts(),
            self.updates.run(),
            self._tidy(),
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        waiting = {asyncio.create_task(stop.wait()), asyncio.create_task(self._restart())}
        try:
            done, _ = await asyncio.wait({*waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - waiting:
                task.result()  # a part never ends by itself
            await self._drain()
        finally:
            await self._end([*waiting, *tasks])
        return 0 if stop.is_set() else launched.RESTART

    async def _restart(self) -> None:
        """Until a release waits, the commands in hand have ended and the portal knows of them."""
        await self.updates.restart.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESTART_WITHIN):
                while self.dispatcher.is_busy:
                    await asyncio.sleep(0.1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while await asyncio.to_thread(self._journal.unreported):
                    await asyncio.sleep(0.1)

    async def _drain(self) -> None:
        log.info("stopping")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(*(folder.drain() for folder in self.folders.values()))

    async def _end(self, tasks: list[asyncio.Task[Any]]) -> None:
        await self.dispatcher.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.uploader.close()
        if self.printing is not None:
            await self.printing.close()
        with contextlib.suppress(OSError):
            self._audit.record("agent.stopped", detail={})
        self.close()

    def close(self) -> None:
        """Close the files."""
        self.ris.close()
        self._audit.close()
        self._database.close()
        os.close(self._lock)

    async def _tidy(self) -> None:
        while True:
            await asyncio.to_thread(self._ledger.forget)
            await asyncio.to_thread(self._outbox.forget)
            await asyncio.sleep(TIDY_SECONDS)

    def _wake(self) -> None:
        self.connection.wake()

    def _tell_state(self) -> None:
        self.connection.tell_state()

    def _state(self) -> dict[str, Any]:
        folders = tuple(folder.status() for folder in self.folders.values())
        printers = self.printing.status() if self.printing is not None else ()
        return {
            "folders": folders,
            "queue_length": sum(each.waiting for each in folders),
            "printers": printers,
            "drives": self.discs.drives(),
            "scanners": tuple(scanner.status() for scanner in self.scanners),
        }


def lock(state_dir: Path) -> int:
    """Hold the state folder for this process. Raises AlreadyRunningError, OSError."""
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunningError from None
    return descriptor
