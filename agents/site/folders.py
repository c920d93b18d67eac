"""Watches one folder: each new file that has settled is uploaded once and then put away.

Change notices only wake; what counts is the look through the folder against the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from watchfiles import awatch

from agents import protocol
from agents.site import dicomfile, disposal, roots, scan
from agents.site.journal import Outbox
from agents.site.ledger import DONE, FAILED, MOVED, OTHER, RETRY, Entry, Ledger, as_text
from agents.site.options import FolderSection
from agents.site.problems import Problems
from agents.site.scan import Found
from agents.site.uploader import (
    AT_ONCE,
    Answer,
    ChangedError,
    Content,
    RefusedError,
    RetryError,
    Uploader,
)

log = logging.getLogger("agents.site")

TRUNCATED_PATIENCE = 10
"""A file that ends in the middle is waited for so many settle times, then sent as it is."""
MOST_QUEUED = 20_000
WRITE_EVERY = 0.05
TELL_EVERY = 2.0
MOVE_AGAIN = 60.0
UPLOADED = frozenset({"stored", "duplicate"})

Stamp = tuple[int, int]


@dataclass(slots=True)
class _Tally:
    """What was uploaded since the portal was last told."""

    count: int = 0
    last: str = ""
    told_at: float = field(default_factory=time.monotonic)


class Folder:
    """One `[[folders]]`; `run` until cancelled."""

    def __init__(
        self,
        section: FolderSection,
        ledger: Ledger,
        outbox: Outbox,
        uploader: Uploader,
        problems: Problems,
        told: Callable[[], None],
    ) -> None:
        self.section = section
        self._ledger = ledger
        self._outbox = outbox
        self._uploader = uploader
        self._problems = problems
        self._told = told
        self._wake = asyncio.Event()
        self._queue: asyncio.Queue[Found] = asyncio.Queue()
        self._busy: set[str] = set()
        self._settling: dict[str, tuple[Stamp, float]] = {}
        self._written: asyncio.Queue[Entry] = asyncio.Queue()
        self._batch: list[Entry] = []
        self._tally = _Tally()
        self._seen = 0
        self._working = 0
        self._stopping = False
        self.state = "ok"
        self.last_file_at: datetime | None = None

    # Running

    async def run(self) -> None:
        """Watch, look, upload, until cancelled."""
        async with asyncio.TaskGroup() as group:
            if not self.section.poll:
                group.create_task(self._watch())
            group.create_task(self._look_for_ever())
            group.create_task(self._write_for_ever())
            # As many again read the next file while those that may are sending.
            for _ in range(2 * self._uploader.in_flight):
                group.create_task(self._work())

    def status(self) -> protocol.Folder:
        """What the portal shows of this folder."""
        return protocol.Folder(
            path=str(self.section.path),
            state=self.state[:200],
            waiting=self._seen,
            last_file_at=self.last_file_at,
        )

    async def drain(self) -> None:
        """Begin nothing more; until what is being uploaded is uploaded and noted."""
        self._stopping = True
        while self._working or self._batch or not self._written.empty():
            await asyncio.sleep(0.02)

    def wake(self) -> None:
        """Look again now."""
        self._wake.set()

    async def unfinished(self, directory: str) -> int:
        """Files in and below a directory that are not yet uploaded or failed.

        Raises OutsideError, OSError.
        """
        found = await asyncio.to_thread(
            scan.look, self.section, self._ledger, directory, resting=True
        )
        return len(found)

    async def try_again(self, directory: str) -> None:
        """Look anew at what had failed."""
        await asyncio.to_thread(self._ledger.try_again, self.section.name, directory)
        self.wake()

    async def _watch(self) -> None:
        """Notices of the system; where it gives none the regular look is enough."""
        while True:
            try:
                async for _ in awatch(
                    self.section.path, debounce=400, recursive=self.section.recursive
                ):
                    self._wake.set()
            except Exception as error:  # among others of a name that is no UTF-8
                log.info("no notices of %s: %s", self.section.name, type(error).__name__)
            self._wake.set()
            await asyncio.sleep(self.section.scan_seconds)

    async def _look_for_ever(self) -> None:
        while True:
            if self._stopping:
                return
            self._wake.clear()
            begun = time.monotonic()
            pause = await self._look()
            taken = time.monotonic() - begun
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause, taken)):
                    await self._wake.wait()
            # A folder in which much happens is not looked at all the time.
            await asyncio.sleep(min(0.1 + 9 * taken, self.section.settle_seconds))

    @property
    def _sleeps_by_day(self) -> bool:
        return self.section.only_at_night and not self._uploader.pace.is_night

    async def _look(self) -> float:
        """One look; seconds until the next."""
        section = self.section
        try:
            found = await asyncio.to_thread(scan.look, section, self._ledger)
        except (OSError, roots.OutsideError, sqlite3.Error) as error:
            self._trouble(_why(error))
            return min(section.scan_seconds, 10.0)
        self.state = "ok"
        self._seen = len(found)
        if self._sleeps_by_day:
            self.state = "waits for the night"
            return min(section.scan_seconds, 30.0)
        now = time.monotonic()
        settling: dict[str, tuple[Stamp, float]] = {}
        for each in found:
            if each.path in self._busy:
                continue
            stamp = (each.size, each.mtime_ns)
            before = self._settling.get(each.path)
            since = before[1] if before and before[0] == stamp else now
            settled = now - since >= section.settle_seconds or each.entry is not None
            if settled and len(self._busy) < MOST_QUEUED:
                self._busy.add(each.path)
                self._queue.put_nowait(each)
            else:
                settling[each.path] = (stamp, since)
        self._settling = settling
        if settling:
            return max(
                min(since for _, since in settling.values()) + section.settle_seconds - now, 0.05
            )
        return section.settle_seconds if section.poll else section.scan_seconds

    async def _work(self) -> None:
        while True:
            found = await self._queue.get()
            if self._stopping or self._sleeps_by_day:
                self._busy.discard(found.path)
                continue
            self._working += 1
            kept = False
            try:
                kept = await self._handle(found)
            finally:
                self._working -= 1
                if not kept:
                    self._busy.discard(found.path)

    # One file

    async def _handle(self, found: Found) -> bool:
        """True where the file has a new entry, which is written soon."""
        try:
            known, kind, content = await asyncio.to_thread(self._read, found)
            if known is not None and known.state in (DONE, FAILED):
                await self._written.put(known)  # to be put away
                return True
            if known is not None and known.state != RETRY:
                return False
            entry = await self._upload(found, kind, content)
        except (ChangedError, FileNotFoundError):
            self._wake.set()
            return False
        except roots.OutsideError:
            return False
        except OSError as error:
            self._trouble(_why(error))
            entry = self._later(found, "cannot be read")
        except Exception:  # one file's surprise must not stop the others
            log.exception("a file in %s failed", self.section.name)
            entry = self._later(found, "the agent had a fault")
        await self._written.put(entry)
        return True

    async def upload_now(self, inner: str) -> Entry:
        """Upload one file without waiting for it to settle; its entry.

        Raises OutsideError, OSError, ChangedError, RetryError.
        """
        while inner in self._busy:
            await asyncio.sleep(0.1)
        self._busy.add(inner)
        try:
            found = await asyncio.to_thread(self._find, inner)
            if found.entry is not None and found.entry.state in (DONE, MOVED):
                return found.entry
            entry = await self._send(found)
            await self._write([entry])
            return entry
        finally:
            self._busy.discard(inner)

    def _find(self, inner: str) -> Found:
        directory, _, name = inner.rpartition("/")
        with roots.open_file(self.section.path, inner) as descriptor:
            with open(descriptor, "rb", closefd=False) as file:
                status = _status(descriptor)
                kind = dicomfile.inspect(file, status[0])
            entry = self._ledger.known(self.section.name, directory).get(name)
        if kind == dicomfile.OTHER:
            raise roots.OutsideError("That is no DICOM file.")
        if kind == dicomfile.TRUNCATED:
            raise ChangedError
        if entry is not None and (entry.size, entry.mtime_ns) != status:
            entry = None
        return Found(directory, name, *status, entry)

    async def _upload(self, found: Found, kind: str, content: Content | None) -> Entry:
        if kind == dicomfile.OTHER:
            return self._other(found)
        attempts = found.entry.attempts if found.entry else 0
        if kind == dicomfile.TRUNCATED and attempts < TRUNCATED_PATIENCE:
            return self._later(found, "ends in the middle", self.section.settle_seconds)
        try:
            return await self._send(found, content)
        except RetryError as error:
            return self._later(found, error.words, error.after)

    async def _send(self, found: Found, content: Content | None = None) -> Entry:
        with roots.open_file(self.section.path, found.path) as descriptor:
            if _status(descriptor) != (found.size, found.mtime_ns):
                raise ChangedError
            try:
                answer = await self._uploader.post_file(descriptor, content)
            except RefusedError as error:
                return self._failed(found, str(error))
        self.last_file_at = datetime.now(UTC)
        if answer.outcome not in UPLOADED:
            return self._failed(found, f"in the portal's quarantine: {answer.words}", answer)
        self._tally.count += 1
        self._tally.last = found.path
        return _entry(found, DONE, instance=answer.instance)

    def _read(self, found: Found) -> tuple[Entry | None, str, Content | None]:
        """What the ledger now says of this very file, its kind, and its content where it is small.

        All that is to be done before it is sent, in one go: a change of threads costs more.
        """
        known = self._ledger.entry(self.section.name, found.directory, found.name)
        if known is not None and (known.size, known.mtime_ns) != (found.size, found.mtime_ns):
            known = None
        if known is not None and known.state != RETRY:
            return known, "", None
        with roots.open_file(self.section.path, found.path) as descriptor:
            if found.size > AT_ONCE:
                with open(descriptor, "rb", closefd=False) as file:
                    return known, dicomfile.inspect(file, found.size), None
            data = os.pread(descriptor, found.size + 1, 0)
        if len(data) != found.size:
            raise ChangedError
        kind = dicomfile.inspect(io.BytesIO(data), found.size)
        return known, kind, Content(data, hashlib.sha256(data).hexdigest())

    def _other(self, found: Found) -> Entry:
        if self.section.other_files == "ignore":
            return _entry(found, OTHER)
        return self._failed(found, "no DICOM file")

    def _failed(self, found: Found, words: str, answer: Answer | None = None) -> Entry:
        self._problems.note("file", f"a file in {self.section.name} was not taken: {words}")
        self._tell(
            {
                "file": as_text(found.path),
                "folder": self.section.name,
                "outcome": answer.outcome if answer else "failed",
                "reason": words,
            }
        )
        # What lies in the portal's quarantine is not sent again: `instance` marks it.
        mark = (answer.instance or "quarantine") if answer else ""
        return _entry(found, FAILED, reason=words, instance=mark)

    def _later(self, found: Found, words: str, after: float = 0.0) -> Entry:
        attempts = (found.entry.attempts if found.entry else 0) + 1
        pause = after or self._uploader.pause(attempts)
        return _entry(found, RETRY, attempts=attempts, next_at=time.time() + pause, reason=words)

    # Keeping and putting away

    async def _write_for_ever(self) -> None:
        """Entries go to the disk in batches; only then are files put away and the portal told."""
        try:
            while True:
                self._batch.append(await self._next_or_tell())
                await asyncio.sleep(WRITE_EVERY)
                self._batch += self._taken()
                await self._write(self._batch)
                self._batch = []
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._ledger.put(self.section.name, [*self._batch, *self._taken()])

    def _taken(self) -> list[Entry]:
        entries = []
        while not self._written.empty():
            entries.append(self._written.get_nowait())
        return entries

    async def _next_or_tell(self) -> Entry:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELL_EVERY):
                    return await self._written.get()
            self._tell_tally(done=True)

    async def _write(self, entries: list[Entry]) -> None:
        while True:
            try:
                await asyncio.to_thread(self._ledger.put, self.section.name, entries)
                break
            except sqlite3.Error as error:
                # Uploaded and not noted: kept here until the disk takes it.
                self._trouble(_why(error))
                await asyncio.sleep(2.0)
        self._seen = max(self._seen - len(entries), 0)
        self._busy.difference_update(_path(each) for each in entries)
        moved = await asyncio.to_thread(lambda: [self._put_away(each) for each in entries])
        changed = [after for before, after in zip(entries, moved, strict=True) if before != after]
        if changed:
            with contextlib.suppress(sqlite3.Error):
                await asyncio.to_thread(self._ledger.put, self.section.name, changed)
        if any(each.state == RETRY for each in entries):
            soonest = min(each.next_at for each in entries if each.state == RETRY)
            delay = max(soonest - time.time(), 0.0) + 0.05
            asyncio.get_running_loop().call_later(delay, self._wake.set)
        self._tell_tally(done=self._queue.empty() and not self._busy)

    def _put_away(self, entry: Entry) -> Entry:
        """Move a finished file where it belongs; the entry that then holds."""
        section = self.section
        if entry.state == DONE and section.after == "move":
            target = section.done_dir
        elif entry.state == FAILED:
            target = section.failed_dir
        else:
            return entry
        if target is None:
            return entry
        try:
            moved = disposal.move(
                section.path, _path(entry), target, size=entry.size, mtime_ns=entry.mtime_ns
            )
            if entry.state == FAILED:
                disposal.explain(moved, entry.reason)
        except (disposal.MovedAwayError, roots.OutsideError):
            return entry
        except OSError as error:
            self._trouble(f"finished files cannot be moved: {_why(error)}")
            return replace(entry, next_at=time.time() + MOVE_AGAIN)
        return replace(entry, state=MOVED) if entry.state == DONE else entry

    # Telling

    def _tell_tally(self, *, done: bool) -> None:
        tally = self._tally
        if not tally.count or (not done and time.monotonic() - tally.told_at < TELL_EVERY):
            return
        self._tell(
            {
                "file": as_text(tally.last),
                "folder": self.section.name,
                "outcome": "stored",
                "count": tally.count,
                "waiting": self._seen,
            }
        )
        self._tally = _Tally()

    def _tell(self, data: dict[str, Any]) -> None:
        try:
            self._outbox.add([(protocol.UPLOAD_COMPLETE, data)])
        except sqlite3.Error as error:
            self._trouble(_why(error))
            return
        self._told()

    def _trouble(self, words: str) -> None:
        self.state = words
        self._problems.note("folder", f"{self.section.name}: {words}")


def _path(entry: Entry) -> str:
    return f"{entry.directory}/{entry.name}" if entry.directory else entry.name


def _status(descriptor: int) -> Stamp:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns


def _entry(found: Found, state: str, **more: Any) -> Entry:
    return Entry(found.directory, found.name, found.size, found.mtime_ns, state, **more)


def _why(error: Exception) -> str:
    """Words without the name of a file."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, sqlite3.Error):
        return f"the agent's own files cannot be written: {error}"
    return str(error)
