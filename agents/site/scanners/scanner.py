"""One scanner: listened to for ever, found again when it was pulled out. Its codes go to the portal
and nowhere else: they name patients.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable

from agents import protocol
from agents.site.journal import Outbox
from agents.site.options import ScannerSection
from agents.site.problems import Problems
from agents.site.scanners.framing import Framer
from agents.site.scanners.port import Port, SerialPort

log = logging.getLogger("agents.site")

TRY_AGAIN = 2.0


class Scanner:
    """Reads a port; `run` until cancelled. `wake` is told that an event waits."""

    def __init__(
        self,
        section: ScannerSection,
        outbox: Outbox,
        problems: Problems,
        wake: Callable[[], None],
        port: Port | None = None,
    ) -> None:
        self._section = section
        self._outbox = outbox
        self._problems = problems
        self._wake = wake
        self._port = port or SerialPort(section)
        self._state = "not connected"

    def status(self) -> protocol.Scanner:
        """How it is, for the portal."""
        return protocol.Scanner(name=self._section.name, state=self._state)

    async def run(self) -> None:
        """Listen, and again after every loss of the port."""
        while True:
            try:
                await asyncio.to_thread(self._port.open)
                self._state = "ok"
                log.info("scanner %s: connected", self._section.name)
                await self._listen()
            except OSError as error:
                words = error.strerror or "the port was lost"
                self._problems.note("scanner", f"{self._section.name}: {words}")
                self._state = f"not connected: {words}"[:200]
            finally:
                self._port.close()
            await asyncio.sleep(TRY_AGAIN)

    async def _listen(self) -> None:
        framer = Framer(self._section)
        unreadable = 0
        while True:
            data = await asyncio.to_thread(self._port.read)
            codes = framer.feed(data, time.monotonic())
            if framer.unreadable > unreadable:
                unreadable = framer.unreadable
                self._problems.note("scanner", f"{self._section.name}: something unreadable came")
            if codes:
                events = [
                    (protocol.SCAN, {"scanner": self._section.name, "code": code}) for code in codes
                ]
                try:
                    await asyncio.to_thread(self._outbox.add, events)
                except sqlite3.Error as error:
                    self._problems.note("scanner", f"a code could not be kept: {error}")
                self._wake()
