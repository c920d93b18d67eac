"""Follows a local Orthanc by /changes and pushes what it receives to the portal.

The cursor moves only over what the portal has, or what is gone from Orthanc. One change is asked
for again each time: where another stands there now, Orthanc was reset and all is offered anew; the
portal knows its duplicates.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from agents import protocol
from agents.site.database import Database
from agents.site.journal import Outbox
from agents.site.options import RelaySection
from agents.site.problems import Problems
from agents.site.uploader import ChangedError, RefusedError, RetryError, Uploader

log = logging.getLogger("agents.site")

PAGE = 200
LONGEST_PAUSE = 60.0


class OrthancError(Exception):
    """Orthanc is down, refuses our login or answers what it should not."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row of /changes."""

    seq: int
    kind: str
    resource: str
    date: str

    @property
    def mark(self) -> str:
        """What tells it from a change of the same number after a reset; names nobody."""
        return hashlib.sha256(f"{self.kind} {self.resource} {self.date}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of /changes."""

    changes: tuple[Change, ...]
    last: int
    done: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last change that is safe with the portal."""

    seq: int = 0
    mark: str = ""


class Cursors:
    """Where each relay stands, kept over restarts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, name: str) -> Cursor | None:
        """None for a relay that never ran."""
        rows: list[Any] = self._database.rows(
            "SELECT cursor, mark FROM relays WHERE name = ?", (name,)
        )
        return Cursor(*rows[0]) if rows else None

    def save(self, name: str, cursor: Cursor) -> None:
        """Durable when it returns."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO relays (name, cursor, mark) VALUES (?, ?, ?)",
                (name, cursor.seq, cursor.mark),
            )


class Orthanc:
    """The few REST calls that the relay needs. `start` before use, `close` after."""

    def __init__(self, section: RelaySection) -> None:
        self._section = section
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        section = self._section
        self._session = aiohttp.ClientSession(
            auth=aiohttp.BasicAuth(section.user, section.password.reveal())
            if section.user
            else None,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def changes(self, since: int, limit: int) -> Page:
        """The changes after `since`. Raises OrthancError."""
        return await self._page(f"/changes?since={since}&limit={limit}")

    async def last(self) -> int:
        """The number of the newest change; 0 for an empty Orthanc. Raises OrthancError."""
        return (await self._page("/changes?last")).last

    async def fetch(self, resource: str, target: int) -> bool:
        """Write an instance to a descriptor; False where it is gone. Raises OrthancError."""
        try:
            async with self._get(f"/instances/{resource}/file") as response:
                if response.status == 404:
                    return False
                _expect(response)
                async for chunk in response.content.iter_chunked(1 << 18):
                    await asyncio.to_thread(_write, target, chunk)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OrthancError(f"an image could not be read: {type(error).__name__}") from None
        return True

    async def _page(self, path: str) -> Page:
        try:
            async with self._get(path) as response:
                _expect(response)
                body = json.loads(await response.read())
            return Page(
                tuple(
                    Change(
                        int(row["Seq"]),
                        str(row["ChangeType"]),
                        str(row["ID"]),
                        str(row.get("Date", "")),
                    )
                    for row in body["Changes"]
                ),
                int(body["Last"]),
                bool(body["Done"]),
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OrthancError(f"Orthanc cannot be reached: {type(error).__name__}") from None
        except (ValueError, KeyError, TypeError):
            raise OrthancError("what answers is not Orthanc") from None

    def _get(self, path: str) -> Any:
        assert self._session is not None  # noqa: S101 - started by `run`
        return self._session.get(self._section.url + path, allow_redirects=False)


def _expect(response: aiohttp.ClientResponse) -> None:
    if response.status == 401:
        raise OrthancError("Orthanc refuses the user or password")
    if response.status != 200:
        raise OrthancError(f"Orthanc answered {response.status}")


def _write(target: int, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(target, chunk) :]


class Relay:
    """One `[[relay]]`; `run` until cancelled."""

    def __init__(
        self,
        section: RelaySection,
        cursors: Cursors,
        uploader: Uploader,
        outbox: Outbox,
        problems: Problems,
        spool: Path,
    ) -> None:
        self.section = section
        self._cursors = cursors
        self._uploader = uploader
        self._outbox = outbox
        self._problems = problems
        self._spool = spool
        self._orthanc = Orthanc(section)
        self._cursor = Cursor()

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._orthanc.start()
        failures = 0
        try:
            while True:
                before = self._cursor
                try:
                    more = await self._slice()
                    failures = 0
                    pause = 0.0 if more else self.section.poll_seconds
                except (OrthancError, RetryError, OSError) as error:
                    failures = failures + 1 if self._cursor == before else 1
                    self._problems.note("relay", f"{self.section.name}: {_why(error)}")
                    pause = min(self.section.poll_seconds * 2.0 ** min(failures, 10), LONGEST_PAUSE)
                await asyncio.sleep(pause)
        finally:
            await self._orthanc.close()

    async def _slice(self) -> bool:
        """One page; True where there is more. Raises OrthancError, RetryError, OSError."""
        cursor = await asyncio.to_thread(self._cursors.load, self.section.name)
        if cursor is None:
            cursor = Cursor(await self._orthanc.last() if self.section.only_new else 0)
            await self._save(cursor)
        self._cursor = cursor
        page = await self._orthanc.changes(max(cursor.seq - 1, 0), PAGE)
        again = page.changes[0] if page.changes and page.changes[0].seq == cursor.seq else None
        changes = page.changes[1:] if again else page.changes
        reset = page.last < cursor.seq or (
            again is not None and cursor.mark not in ("", again.mark)
        )
        if reset:
            self._problems.note("relay", f"{self.section.name}: Orthanc was reset, all comes again")
            await self._save(Cursor())
            return True
        await self._push(changes)
        return not page.done

    async def _push(self, changes: tuple[Change, ...]) -> None:
        """A few at a time, the cursor moving in order over what is safe."""
        waiting = deque(changes)
        flying: deque[tuple[Change, asyncio.Task[None] | None]] = deque()
        reached: Change | None = None
        try:
            while waiting or flying:
                while waiting and len(flying) < self._uploader.in_flight * 2:
                    change = waiting.popleft()
                    is_image = change.kind == "NewInstance"
                    flying.append(
                        (change, asyncio.create_task(self._relay(change)) if is_image else None)
                    )
                change, task = flying[0]
                if task is not None:
                    await task
                flying.popleft()
                reached = change
                if task is not None and not (flying and _is_done(flying[0][1])):
                    await self._save(Cursor(reached.seq, reached.mark))
                    reached = None
        finally:
            for _, task in flying:
                if task is not None:
                    task.cancel()
            await asyncio.gather(*(task for _, task in flying if task), return_exceptions=True)
            if reached is not None:
                await self._save(Cursor(reached.seq, reached.mark))

    async def _relay(self, change: Change) -> None:
        with tempfile.TemporaryFile(dir=self._spool, buffering=0) as file:
            if not await self._orthanc.fetch(change.resource, file.fileno()):
                return
            try:
                answer = await self._uploader.post_file(file.fileno())
            except RefusedError as error:
                await self._tell("failed", str(error))
                return
            except ChangedError:
                raise OrthancError("the spooled image changed on the disk") from None
        if answer.outcome == "quarantined":
            await self._tell("quarantined", answer.words)

    async def _tell(self, outcome: str, words: str) -> None:
        self._problems.note("relay", f"{self.section.name}: an image was not taken: {words}")
        data = {"file": "", "relay": self.section.name, "outcome": outcome, "reason": words}
        await asyncio.to_thread(self._outbox.add, [(protocol.UPLOAD_COMPLETE, data)])

    async def _save(self, cursor: Cursor) -> None:
        await asyncio.to_thread(self._cursors.save, self.section.name, cursor)
        self._cursor = cursor


def _is_done(task: asyncio.Task[None] | None) -> bool:
    """Whether the cursor can move on at once, so that it is saved for several changes together."""
    return task is None or (task.done() and task.exception() is None)


def _why(error: Exception) -> str:
    if isinstance(error, RetryError):
        return error.words
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)
