"""Asks the portal over HTTP with the agent's key: pins, proxy, and why it could not be asked."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from agents.site import VERSION, tls
from agents.site.options import PortalSection
from agents.site.secret import Secret

TIMEOUT = 60.0


def session(
    portal: PortalSection,
    timeout: aiohttp.ClientTimeout,
    *,
    key: Secret | None = None,
    headers: dict[str, str] | None = None,
    auto_decompress: bool = True,
    **connections: Any,
) -> aiohttp.ClientSession:
    """Connections to the portal that check its pins and show a key, else the agent's.

    `connections` is what aiohttp.TCPConnector takes besides. Requests add `**by_proxy(portal)`.
    """
    return aiohttp.ClientSession(
        headers={
            "Authorization": f"Bearer {(key or portal.api_key).reveal()}",
            "User-Agent": f"lightbox-agent/{VERSION}",
            **(headers or {}),
        },
        connector=aiohttp.TCPConnector(ssl=tls.context(portal.pins, portal.ca_file), **connections),
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=auto_decompress,
    )


def by_proxy(portal: PortalSection) -> dict[str, Any]:
    """What aiohttp's requests are told of the proxy."""
    if not portal.proxy:
        return {}
    if not portal.proxy_user:
        return {"proxy": portal.proxy}
    auth = aiohttp.BasicAuth(portal.proxy_user, portal.proxy_password.reveal())
    return {"proxy": portal.proxy, "proxy_auth": auth}


def words_of(error: BaseException) -> str:
    """Why the portal could not be asked, in plain words."""
    if isinstance(getattr(error, "certificate_error", None), tls.PinError):
        return "the portal shows an unknown key"
    if isinstance(error, TimeoutError):
        return "the portal does not answer"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the portal's certificate is not trusted"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "the portal cannot be reached"
    return "the connection to the portal broke"


class PortalError(Exception):
    """Why there is no answer, in words. `status` is 0 where the portal was not reached."""

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.words = words
        self.status = status


class PortalClient:
    """Requests of one agent; a connection for each, they are few."""

    def __init__(self, portal: PortalSection) -> None:
        self._portal = portal

    async def fetch(self, path: str, *, most: int, query: dict[str, str] | None = None) -> bytes:
        """The body of a path of the portal, at most `most` bytes. Raises PortalError."""
        portal = self._portal
        if not path.startswith("/") or path.startswith("//") or "\\" in path:
            raise PortalError("the path is none of the portal's")
        try:
            async with (
                session(portal, aiohttp.ClientTimeout(total=TIMEOUT)) as asking,
                asking.get(
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

    async def put(self, path: str, body: bytes, media_type: str) -> None:
        """Leave bytes at a path of the portal. Raises PortalError."""
        portal = self._portal
        try:
            async with (
                session(portal, aiohttp.ClientTimeout(total=None, sock_read=TIMEOUT)) as asking,
                asking.put(
                    portal.url + path,
                    data=body,
                    headers={"Content-Type": media_type},
                    allow_redirects=False,
                    **by_proxy(portal),
                ) as response,
            ):
                if response.status not in (200, 201):
                    raise PortalError(f"the portal answered {response.status}", response.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PortalError(words_of(error)) from None

    async def fetch_json(self, path: str, query: dict[str, str]) -> Any:
        """The JSON of a path. Raises PortalError."""
        try:
            return json.loads(await self.fetch(path, most=16 * 2**20, query=query))
        except ValueError:
            raise PortalError("what the portal answered is no JSON") from None
