"""Follows one job of CUPS to its end, and takes it back where it will not come to one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from agents.site.commands import CommandError, Tell
from agents.site.printing import printers
from agents.site.printing.ipp import Cups, Group, IppError, RefusedError, many
from agents.site.printing.prints import Print

PENDING, HELD, PROCESSING, HALTED, CANCELED, ABORTED, COMPLETED = 3, 4, 5, 6, 7, 8, 9
"""RFC 8011 5.3.7."""
OVER = frozenset({CANCELED, ABORTED, COMPLETED})
LOOK_EVERY = 0.4
LOST_AFTER = 60.0
"""Seconds without an answer of CUPS after which nobody knows how the job ended."""
STEPS = 2
UNCERTAIN = "Uncertain: check the tray."


class Follower:
    """Follows one print. `tell` hears 0 of 2 while it waits, 1 of 2 while it prints; and troubles.

    `print_seconds` count from where it begins to print; the wait before has its own end.
    `resumed`: nobody looked for a while, so pages may have come out unseen.
    """

    def __init__(
        self, cups: Cups, one: Print, print_seconds: float, tell: Tell, *, resumed: bool = False
    ) -> None:
        self._cups = cups
        self._print = one
        self._print_seconds = print_seconds
        self._tell = tell
        self._resumed = resumed
        self._began: float | None = None

    async def run(self) -> dict[str, Any]:
        """The result's data once it is printed. Raises CommandError with the printer's reason."""
        unheard = time.monotonic()
        while True:
            try:
                job = await self._job()
                printer = await printers.now(self._cups, self._print.path)
            except RefusedError:
                raise uncertain("the print system no longer knows the job") from None
            except IppError as error:
                if time.monotonic() - unheard > LOST_AFTER:
                    raise uncertain(str(error)) from None
            else:
                unheard = time.monotonic()
                if (state := _state(job)) in OVER:
                    return self._over(state, printer.words)
                await self._wait(state, printer)
            await asyncio.sleep(LOOK_EVERY)

    @property
    def _may_have_begun(self) -> bool:
        return self._resumed or self._began is not None

    async def _job(self) -> Group:
        return await self._cups.job(self._print.path, self._print.job)

    async def _wait(self, state: int, printer: printers.Found) -> None:
        """Say how it is; give up what takes too long."""
        trouble = printer.words
        if state == PROCESSING and not printer.is_away and printer.state != printers.STOPPED:
            if self._began is None:
                self._began = time.monotonic()
            self._tell(1, STEPS, trouble)
            if time.monotonic() - self._began > self._print_seconds:
                await self._give_up(trouble or "it took too long")
            return
        self._tell(0 if self._began is None else 1, STEPS, trouble)
        if time.time() > self._print.begin_by:
            await self._give_up(trouble or "the printer did not begin in time")

    async def _give_up(self, why: str) -> None:
        if await take_back(self._cups, self._print):
            return  # the next look sees that it is printed
        if self._may_have_begun:
            raise CommandError("printer", f"The job was taken back: {why}. {UNCERTAIN}")
        raise CommandError("printer", f"Not printed: {why}. The job was taken back.")

    def _over(self, state: int, trouble: str) -> dict[str, Any]:
        if state == COMPLETED:
            return printed(self._print)
        what = "stopped at the print system" if state == CANCELED else "given up by the printer"
        why = f" ({trouble})" if trouble else ""
        tray = f" {UNCERTAIN}" if self._may_have_begun else ""
        raise CommandError("printer", f"The job was {what}{why}.{tray}")


async def take_back(cups: Cups, one: Print) -> bool:
    """Cancel a job; True where it was printed all the same, as far as that is to be known."""
    with contextlib.suppress(IppError):
        await cups.cancel(one.path, one.job)
    for _ in range(20):
        with contextlib.suppress(IppError):
            if (state := _state(await cups.job(one.path, one.job))) in OVER:
                return state == COMPLETED
        await asyncio.sleep(0.25)
    return False


def printed(one: Print) -> dict[str, Any]:
    """The result's data."""
    return {"printer": one.printer, "job": one.job}


async def documents(cups: Cups, one: Print) -> int:
    """How many documents CUPS has of a print, asked until it answers. CommandError: uncertain."""
    begun = time.monotonic()
    while True:
        try:
            number = (await cups.job(one.path, one.job)).get("number-of-documents")
            # Where CUPS does not say, it may have one.
            return number if isinstance(number, int) else 1
        except RefusedError:
            raise uncertain("the print system no longer knows the job") from None
        except IppError as error:
            if time.monotonic() - begun > LOST_AFTER:
                raise uncertain(str(error)) from None
        await asyncio.sleep(LOOK_EVERY)


def _state(job: Group) -> int:
    found = many(job.get("job-state"))
    return int(found[0]) if found and isinstance(found[0], int) else 0


def uncertain(why: str) -> CommandError:
    """What nobody can say but the tray."""
    return CommandError("uncertain", f"{UNCERTAIN} How it ended is not known: {why}.")
