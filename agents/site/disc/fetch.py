"""Fetches the images of a disc from the portal, under the permission of one running command."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import aiohttp

from agents.site import portalclient
from agents.site.commands import CommandError
from agents.site.options import PortalSection
from agents.site.portalclient import by_proxy, words_of

PATH = "/api/agents/commands/{command}/images/"
AT_ONCE = 4
LIST_BYTES = 64 * 2**20
MOST_IMAGES = 200_000
GIVE_UP_AFTER = 600.0
"""Seconds without an answer that is one, before a disc is given up."""
LONGEST_PAUSE = 20.0
MISMATCHES = 3
SHA256 = re.compile(r"[0-9a-f]{64}")
NO_LONGER = frozenset({401, 403, 404, 410})


@dataclass(frozen=True, slots=True)
class Image:
    """One instance as the portal lists it; `size` in bytes."""

    number: int
    size: int
    sha256: str


class _Retry(Exception):
    """Not now; perhaps later."""


class Source:
    """The images of one command. Raises CommandError where they cannot be had."""

    def __init__(self, portal: PortalSection, session: aiohttp.ClientSession, command: str) -> None:
        self._portal = portal
        self._session = session
        self._path = portal.url + PATH.format(command=quote(command, safe=""))

    async def images(self) -> list[Image]:
        """What belongs on the disc."""
        found: list[Image] = await self._patiently(self._list)
        return found

    async def fetch_all(
        self, images: list[Image], folder: Path, fetched: Callable[[int], None]
    ) -> None:
        """Every image into `folder`, its SHA-256 checked; `fetched(n)` after each.

        Raises CommandError, OSError, in a group.
        """
        waiting = iter(enumerate(images))
        done = 0

        async def work() -> None:
            nonlocal done
            for index, image in waiting:
                await self._fetch(image, folder / f"{index:08d}")
                done += 1
                fetched(done)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())

    async def _fetch(self, image: Image, path: Path) -> None:
        for _ in range(MISMATCHES):
            if await self._patiently(lambda: self._get(image, path)) == image.sha256:
                return
        raise CommandError(
            "hash",
            "An image did not arrive as it was stored: its SHA-256 is another one. Nothing was "
            "written. Tell the administrator of the portal.",
        )

    async def _patiently(self, ask: Callable[[], Any]) -> Any:
        pause, last = 0.5, time.monotonic() + GIVE_UP_AFTER
        while True:
            try:
                return await ask()
            except _Retry as error:
                words = str(error)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                words = words_of(error)
            if time.monotonic() > last:
                raise CommandError("portal", f"The images could not be fetched: {words}.")
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _list(self) -> list[Image]:
        async with self._get_from(self._path) as response:
            body = b""
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > LIST_BYTES:
                    raise CommandError("portal", "The portal's list of images is too long.")
        return _images(body)

    async def _get(self, image: Image, path: Path) -> str:
        """Write the image; its SHA-256 as it came."""
        digest = hashlib.sha256()
        size = 0
        with path.open("wb") as file:
            async with self._get_from(f"{self._path}{image.number}/") as response:
                async for chunk in response.content.iter_chunked(1 << 18):
                    size += len(chunk)
                    if size > image.size:
                        break
                    digest.update(chunk)
                    await asyncio.to_thread(_write, file, chunk)
        return digest.hexdigest() if size == image.size else ""

    @contextlib.asynccontextmanager
    async def _get_from(self, url: str) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self._session.get(
            url, allow_redirects=False, **by_proxy(self._portal)
        ) as response:
            if response.status in NO_LONGER:
                raise CommandError(
                    "permission",
                    "The portal does not give these images: the command was cancelled, or who "
                    "asked for the disc may not see the studies.",
                )
            if response.status != 200:
                raise _Retry(f"the portal answered {response.status}")
            yield response


def session(portal: PortalSection) -> aiohttp.ClientSession:
    """Connections for the images of a disc, which are taken as they are sent."""
    return portalclient.session(
        portal,
        aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=60),
        limit=AT_ONCE,
        keepalive_timeout=30,
        auto_decompress=False,
    )


def _write(file: BinaryIO, chunk: bytes) -> None:
    file.write(chunk)


def _images(body: bytes) -> list[Image]:
    try:
        rows = json.loads(body)["images"]
        found = [Image(row["id"], row["size"], row["sha256"]) for row in rows]
    except (ValueError, KeyError, TypeError):
        raise _Retry("something else than the portal answered") from None
    for each in found:
        good = (
            *(type(each.number) is int, type(each.size) is int, each.size > 0),
            isinstance(each.sha256, str) and SHA256.fullmatch(each.sha256) is not None,
        )
        if not all(good):
            raise _Retry("something else than the portal answered")
    if not found:
        raise CommandError("empty", "These studies hold no images.")
    if len(found) > MOST_IMAGES:
        raise CommandError("too-large", f"These studies hold {len(found)} images: too many.")
    return found
