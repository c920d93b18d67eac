"""Asks the portal's REST interface with the agent's key: same pins and proxy, no redirects."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from agents.site import VERSION, tls
from agents.site.options import PortalSection
from agents.site.uploader import by_proxy, words_of

TIMEOUT = 60.0


class PortalError(Exception):
    """Why there is no answer, in words. `status` is 0 where the portal was not reached."""

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.words = words
        self.status = status


class PortalClient:
    """`GET`s of one agent; a connection for each, they are few."""

    def __init__(self, portal: PortalSection) -> None:
        self._portal = portal

    async def fetch(self, path: str, *, most: int, query: dict[str, str] | None = None) -> bytes:
        """The body of a path of the portal, at most `most` bytes. Raises PortalError."""
        portal = self._portal
        if not path.startswith("/") or path.startswith("//") or "\\" in path:
            raise PortalError("the path is none of the portal's")
        connector = aiohttp.TCPConnector(ssl=tls.context(portal.pins, portal.ca_file))
        headers = {
            "Authorization": f"Bearer {portal.api_key.reveal()}",
            "User-Agent": f"lightbox-agent/{VERSION}",
        }
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=TIMEOUT),
                    cookie_jar=aiohttp.DummyCookieJar(),
                ) as session,
                session.get(
                    portal.url + path, params=query, allow_redirects=False, **by_proxy(portal)
                ) as response,
            ):
                if response.status != 200:
                    raise PortalError(f"the portal answered {response.status}", response.status)
                body = bytearray()
                async for part in response.content.iter_chunked(65_536):
                    body += part
                    if len(body) > most:
                        raise PortalError("the portal's answer is too large")
                return bytes(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PortalError(words_of(error)) from None

    async def fetch_json(self, path: str, query: dict[str, str]) -> Any:
        """The JSON of a path. Raises PortalError."""
        try:
            return json.loads(await self.fetch(path, most=16 * 2**20, query=query))
        except ValueError:
            raise PortalError("what the portal answered is no JSON") from None
