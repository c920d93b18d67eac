"""The printing of one agent: its printers' states, and the commands list-printers, print-report."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pyipp.enums import IppTag

from agents import protocol
from agents.site.commands import CommandError, Handler, Resume, Tell
from agents.site.database import Database
from agents.site.journal import Outbox
from agents.site.options import PortalSection, PrintingSection
from agents.site.printing import job, prints
from agents.site.printing.document import Documents
from agents.site.printing.ipp import Attribute, Cups, IppError, RefusedError, UnreachableError
from agents.site.printing.printers import STOPPED, Found, printers
from agents.site.printing.prints import Print, Prints
from agents.site.problems import Problems

FIRST_LOOK = 5.0
"""Seconds that the agent's start waits for CUPS, so that its first heartbeat tells of printers."""
NOT_SENT = "The agent stopped before it printed: nothing was printed. Print it again."


class Printing:
    """Printers by `[printing]`. `start` before use, `run` for ever, `close` after."""

    def __init__(
        self,
        section: PrintingSection,
        portal: PortalSection,
        database: Database,
        outbox: Outbox,
        problems: Problems,
        changed: Callable[[], None],
    ) -> None:
        self._section = section
        self._cups = Cups(section.server, section.user)
        self._documents = Documents(portal)
        self._prints = Prints(database)
        self._outbox = outbox
        self._problems = problems
        self._changed = changed
        self._known: tuple[protocol.Printer, ...] = ()

    def table(self) -> dict[str, Handler]:
        """Command -> handler."""
        return {
            protocol.LIST_PRINTERS: self.list_printers,
            protocol.PRINT_REPORT: self.print_report,
        }

    def resumes(self) -> dict[str, Resume]:
        """Command -> what finds out how one ended that ran when the agent stopped."""
        return {protocol.PRINT_REPORT: self.resume}

    def status(self) -> tuple[protocol.Printer, ...]:
        """The printers as they were at the last look, for the heartbeat."""
        return self._known

    async def start(self) -> None:
        """Open the clients and look once, where CUPS answers soon."""
        await self._cups.start()
        await self._documents.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK):
                await self._look()

    async def close(self) -> None:
        await self._cups.close()
        await self._documents.close()

    async def run(self) -> None:
        """Look at the printers every `poll_seconds`; what changes is told to the portal."""
        while True:
            await asyncio.sleep(self._section.poll_seconds)
            await self._look()

    async def probe(self) -> list[Found]:
        """The printers now, for `--check`. Raises IppError."""
        return await printers(self._cups, self._section.printers)

    # Commands

    async def list_printers(self, params: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """The printers that may be used, as they are now."""
        try:
            found = await self.probe()
        except IppError as error:
            raise CommandError("cups", f"{_sentence(str(error))}.") from None
        await self._told(found)
        return {"printers": [dataclasses.asdict(each.told()) for each in found]}

    async def print_report(self, params: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Fetch, check, print and follow. Raises CommandError with the reason in plain words."""
        printer = await self._ready(params)
        pdf = await self._documents.fetch(tell.command)
        if time.monotonic() > tell.deadline:
            raise CommandError("too-late", "It came too late and was not printed.", "expired")
        wait = min(self._section.wait_seconds, max(tell.deadline - time.monotonic(), 0))
        one = Print(
            key=tell.command.idempotency_key,
            stage=prints.CREATING,
            printer=printer.name,
            path=printer.path,
            job=0,
            begin_by=time.time() + wait,
        )
        one = await self._create(one, params, tell)
        return await self._unless_cancelled(self._send(one, pdf, tell), one, tell)

    async def resume(self, tell: Tell) -> dict[str, Any]:
        """How a print ended that was under way when the agent stopped. It is never sent again."""
        one = await asyncio.to_thread(self._prints.of, tell.command.idempotency_key)
        if one is None or one.stage == prints.CREATING:
            raise CommandError("interrupted", NOT_SENT)
        if one.stage == prints.CREATED or (
            one.stage == prints.SENDING and await job.documents(self._cups, one) == 0
        ):
            with contextlib.suppress(IppError):
                await self._cups.cancel(one.path, one.job)
            raise CommandError("interrupted", NOT_SENT)
        return await self._unless_cancelled(self._follow(one, tell, resumed=True), one, tell)

    # Steps of a print

    async def _ready(self, params: dict[str, Any]) -> Found:
        """The printer, able to print this now. Raises CommandError."""
        name = params["printer"]
        try:
            found = {each.name: each for each in await self.probe()}.get(name)
        except IppError as error:
            raise CommandError("cups", f"{_sentence(str(error))}: nothing was printed.") from None
        if found is None:
            raise CommandError("unknown-printer", "This agent has no printer of that name.")
        if not found.accepting:
            raise CommandError("rejecting", "The printer takes no jobs: nothing was printed.")
        if found.state == STOPPED:
            raise CommandError("paused", f"{_sentence(found.words)}: nothing was printed.")
        if params["duplex"] not in (protocol.SIDES[0], *found.sides):
            raise CommandError("duplex", "This printer does not print on both sides.")
        if params["tray"] and params["tray"] not in found.trays:
            raise CommandError("tray", "This printer has no such tray.")
        return found

    async def _create(self, one: Print, params: dict[str, Any], tell: Tell) -> Print:
        """A job with a number, on the disk before the document is sent."""
        await asyncio.to_thread(self._prints.begin, one.key, one.printer, one.path, one.begin_by)
        title = f"Lightbox {'test page' if params['testPage'] else 'report'} {tell.command.id}"
        try:
            number = await self._cups.create_job(one.path, title, _attributes(params))
        except IppError as error:
            raise CommandError("cups", f"{_sentence(str(error))}: nothing was printed.") from None
        return await self._step(one, prints.CREATED, number)

    async def _send(self, one: Print, pdf: bytes, tell: Tell) -> dict[str, Any]:
        one = await self._step(one, prints.SENDING, one.job)
        try:
            await self._cups.send_document(one.path, one.job, pdf)
        except RefusedError as error:
            with contextlib.suppress(IppError):
                await self._cups.cancel(one.path, one.job)
            raise CommandError("cups", f"{_sentence(str(error))}: nothing was printed.") from None
        except UnreachableError:
            # It may have all of it or nothing.
            if await job.documents(self._cups, one) == 0:
                with contextlib.suppress(IppError):
                    await self._cups.cancel(one.path, one.job)
                raise CommandError(
                    "cups", "The print system did not take the document: nothing was printed."
                ) from None
        # What the disk says of it now is enough to find it again.
        with contextlib.suppress(sqlite3.Error):
            await self._step(one, prints.SENT, one.job)
        return await self._follow(one, tell)

    async def _step(self, one: Print, stage: str, number: int) -> Print:
        await asyncio.to_thread(self._prints.step, one.key, stage, number)
        return dataclasses.replace(one, stage=stage, job=number)

    async def _follow(self, one: Print, tell: Tell, *, resumed: bool = False) -> dict[str, Any]:
        seconds = self._section.print_seconds
        return await job.Follower(self._cups, one, seconds, tell, resumed=resumed).run()

    async def _unless_cancelled(
        self, work: Awaitable[dict[str, Any]], one: Print, tell: Tell
    ) -> dict[str, Any]:
        """Where somebody cancels, the job is taken back. Where the agent only stops it goes on, and
        is followed at the next start.
        """
        try:
            return await work
        except asyncio.CancelledError:
            if not tell.cancelled:
                raise
            if await job.take_back(self._cups, one):
                return job.printed(one)
            raise CommandError(
                "taken-back", f"The job was taken back. {job.UNCERTAIN}", protocol.CANCELLED
            ) from None

    # The printers' states

    async def _look(self) -> None:
        try:
            found = await self.probe()
        except IppError as error:
            self._problems.note("printing", str(error))
            unknown = [
                dataclasses.replace(each, state="unknown", reason="the print system is away")
                for each in self._known
            ]
            await self._tell(tuple(unknown))
        else:
            await self._told(found)

    async def _told(self, found: list[Found]) -> None:
        most = sorted(found, key=lambda each: (not each.is_default, each.name))[:200]
        await self._tell(tuple(each.told() for each in most))

    async def _tell(self, now: tuple[protocol.Printer, ...]) -> None:
        """Keep the states; trouble that comes or goes is an event, a job that comes is none."""
        before = {each.name: _trouble(each) for each in self._known}
        events = [
            (protocol.PRINTER_STATE, _event(each))
            for each in now
            if each.name in before and before[each.name] != _trouble(each)
        ]
        changed = now != self._known
        self._known = now
        if events:
            await asyncio.to_thread(self._outbox.add, events)
        if changed:
            self._changed()


def _event(printer: protocol.Printer) -> dict[str, Any]:
    names = ("name", "state", "accepting", "reason")
    return {name: getattr(printer, name) for name in names}


def _trouble(printer: protocol.Printer) -> tuple[bool, bool, str]:
    # CUPS says for a moment of every job that it connects.
    reason = "" if printer.state == "printing" else printer.reason
    return printer.state == "stopped", printer.accepting, reason


def _attributes(params: dict[str, Any]) -> list[Attribute]:
    """The job's attributes: copies, sides, and the tray as PWG 5100.7 6.3 has it."""
    attributes: list[Attribute] = [
        ("copies", IppTag.INTEGER, params["copies"]),
        ("sides", IppTag.KEYWORD, params["duplex"]),
    ]
    if params["tray"]:
        tray = {"media-source": (IppTag.KEYWORD, params["tray"])}
        attributes.append(("media-col", IppTag.BEGIN_COLLECTION, tray))
    return attributes


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
