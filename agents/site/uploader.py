"""Posts single instances to the portal, a few at a time, and says what became of each."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from agents.site import portalclient
from agents.site.options import PortalSection, UploadSection
from agents.site.pace import Pace
from agents.site.portalclient import by_proxy, words_of
from agents.site.problems import Problems

PATH = "/api/dicom/upload"
CHUNK = 256 * 1024
IN_MEMORY = 8 * 2**20
AT_ONCE = 2**20
"""A body up to this is handed to the connection as it is; larger ones in chunks, at a pace."""
OUTCOMES = {200: "duplicate", 201: "stored", 202: "quarantined"}
FOR_EVER = frozenset({410, 413, 415})
"""The file itself will never be taken."""
FOR_ALL = frozenset({401, 403, 404, 405, 407, 429, 507})
"""Nothing will be taken before something outside the file changes."""
MOST_WORDS = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What the portal did with an instance: "stored", "duplicate" or "quarantined"."""

    outcome: str
    words: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a small file and their SHA-256."""

    data: bytes
    digest: str


class RetryError(Exception):
    """Not taken now; the same may be taken later. `for_all`: nothing else would be either."""

    def __init__(self, words: str, *, for_all: bool = False, after: float = 0.0) -> None:
        super().__init__(words)
        self.words = words
        self.for_all = for_all
        self.after = after


class RefusedError(Exception):
    """The portal will never take this file; the words say why."""


class ChangedError(Exception):
    """The file is not what it was when it was read first: somebody still writes it."""


class Uploader:
    """A client of `POST /api/dicom/upload`. `start` before use, `close` after."""

    def __init__(self, portal: PortalSection, section: UploadSection, problems: Problems) -> None:
        self._portal = portal
        self._section = section
        self._problems = problems
        self.pace = Pace(section)
        self._slots = asyncio.Semaphore(section.in_flight)
        self._session: aiohttp.ClientSession | None = None
        self._failures = 0
        self._not_before = 0.0

    async def start(self) -> None:
        """Open the pool of connections."""
        portal = self._portal
        self._session = portalclient.session(
            portal,
            aiohttp.ClientTimeout(
                total=None, sock_connect=20, sock_read=self._section.timeout_seconds
            ),
            key=portal.upload_token or portal.api_key,
            headers={"X-Lightbox-Site": portal.site} if portal.site else None,
            limit=self._section.in_flight + 1,
            keepalive_timeout=30,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def in_flight(self) -> int:
        """Uploads that may run at the same time."""
        return self._section.in_flight

    def pause(self, attempts: int) -> float:
        """Seconds before the next attempt, doubling, with jitter, bounded by the configuration."""
        most: float = self._section.retry_max_seconds
        return float(min(2.0 ** min(attempts, 20), most) * random.uniform(0.5, 1.0))  # noqa: S311

    async def post_file(self, descriptor: int, content: Content | None = None) -> Answer:
        """Send an open file, `content` where it is read already.

        Raises RetryError, RefusedError, ChangedError, OSError.
        """
        before = os.fstat(descriptor)
        size = before.st_size
        if size > self._section.max_file_mb * 1_000_000:
            raise RefusedError(f"larger than the limit of {self._section.max_file_mb} MB")
        async with self._slots:
            if content is None:
                data, digest = await asyncio.to_thread(_read, descriptor, size)
            else:
                data, digest = content.data, content.digest
                if len(content.data) != size:
                    raise ChangedError
            if data is not None and size <= AT_ONCE and not self.pace.limit:
                answer = await self._post(lambda: data, size, digest)
            else:
                answer = await self._post(lambda: _chunks(descriptor, size, data), size, digest)
        after = os.fstat(descriptor)
        if (after.st_size, after.st_mtime_ns) != (size, before.st_mtime_ns):
            raise ChangedError
        return answer

    async def post_bytes(self, data: bytes) -> Answer:
        """Send an instance that is in memory. Raises RetryError, RefusedError."""
        async with self._slots:
            digest = hashlib.sha256(data).hexdigest()
            return await self._post(lambda: _chunks(-1, len(data), data), len(data), digest)

    async def _post(
        self, body: Callable[[], AsyncIterator[bytes] | bytes], size: int, digest: str
    ) -> Answer:
        await self._wait_for_portal()
        broken: list[Exception] = []
        given = body()
        try:
            answer = await self._ask(
                given if isinstance(given, bytes) else self._paced(given, broken), size, digest
            )
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            if broken:
                raise broken[0] from None
            words = words_of(error)
            self._failed(words)
            raise RetryError(words, for_all=True) from None
        except RetryError as error:
            self._failed(error.words, error.after)
            raise
        self._failures = 0
        return answer

    async def _ask(self, body: AsyncIterator[bytes] | bytes, size: int, digest: str) -> Answer:
        if self._session is None:
            raise RetryError("the agent is stopping", for_all=True)
        async with self._session.post(
            self._portal.url + PATH,
            data=body,
            headers={
                "Content-Type": "application/dicom",
                "Content-Length": str(size),
                "X-Content-SHA256": digest,
            },
            allow_redirects=False,
            **by_proxy(self._portal),
        ) as response:
            status = response.status
            if status in OUTCOMES:
                return _answer(status, await response.read())
            said = (await response.content.read(2000)).decode("utf-8", "replace").strip()
        said = " ".join(said.split())[:MOST_WORDS] if "<" not in said else ""
        words = f"the portal answered {status}" + (f": {said}" if said else "")
        if status in FOR_EVER:
            raise RefusedError(words)
        raise RetryError(
            words,
            for_all=status in FOR_ALL or 300 <= status < 400,
            after=_seconds(response.headers.get("Retry-After", "")),
        )

    async def probe(self) -> int:
        """The status of a request that uploads nothing: 415 where uploads are permitted.

        Raises aiohttp.ClientError, TimeoutError, OSError.
        """
        assert self._session is not None  # noqa: S101 - after `start`
        async with self._session.post(
            self._portal.url + PATH,
            data=b"",
            headers={"Content-Type": "text/plain"},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=20),
            **by_proxy(self._portal),
        ) as response:
            return int(response.status)

    async def _paced(
        self, chunks: AsyncIterator[bytes], broken: list[Exception]
    ) -> AsyncIterator[bytes]:
        """The body at the permitted speed; why it could not be read is put into `broken`."""
        try:
            async for chunk in chunks:
                await self.pace.take(len(chunk))
                yield chunk
        except (ChangedError, OSError) as error:
            broken.append(error)
            raise

    async def _wait_for_portal(self) -> None:
        """After failures all uploads wait together; any success ends that."""
        while (left := self._not_before - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.5))

    def _failed(self, words: str, after: float = 0.0) -> None:
        self._failures += 1
        seconds = after or min(self.pause(self._failures // self.in_flight), 60.0)
        if self._failures > 1 or after:
            self._not_before = max(self._not_before, time.monotonic() + seconds)
        self._problems.note("upload", words)


def _read(descriptor: int, size: int) -> tuple[bytes | None, str]:
    """SHA-256 of a file, and its bytes where they fit in memory."""
    if size <= IN_MEMORY:
        data = os.pread(descriptor, size + 1, 0)
        if len(data) != size:
            raise ChangedError
        return data, hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256()
    at = 0
    while chunk := os.pread(descriptor, 1 << 20, at):
        digest.update(chunk)
        at += len(chunk)
    if at != size:
        raise ChangedError
    return None, digest.hexdigest()


async def _chunks(descriptor: int, size: int, data: bytes | None) -> AsyncIterator[bytes]:
    for at in range(0, size, CHUNK):
        if data is not None:
            yield data[at : at + CHUNK]
            continue
        chunk = await asyncio.to_thread(os.pread, descriptor, min(CHUNK, size - at), at)
        if len(chunk) != min(CHUNK, size - at):
            raise ChangedError
        yield chunk


def _answer(status: int, content: bytes) -> Answer:
    """The portal's own words where they are what they should be; a proxy's page is no answer."""
    body: Any = None
    with contextlib.suppress(ValueError):
        body = json.loads(content)
    if not isinstance(body, dict) or body.get("outcome") != OUTCOMES[status]:
        raise RetryError("something else than the portal answered", for_all=True)
    return Answer(
        OUTCOMES[status],
        str(body.get("words") or "")[:MOST_WORDS],
        str(body.get("instance") or "")[:64],
    )


def _seconds(text: str) -> float:
    return min(float(text), 3600.0) if text.isdecimal() else 0.0
