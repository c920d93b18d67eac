"""Fetches what is to be printed from the portal, which decides at that moment whether it may be."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import aiohttp

from agents import protocol
from agents.site.commands import CommandError
from agents.site.options import PortalSection
from agents.site.portalclient import by_proxy, session, words_of

PATH = "/api/agents/commands/{id}/document/"
MAX_BYTES = 64 * 2**20
TIMEOUT = 60.0
PAUSES = (1.0, 3.0)
"""Seconds before the second and third attempt; the token is spent by an answer, not by a try."""
TRY_AGAIN = frozenset({429, 502, 503, 504})


class Documents:
    """A client of the portal's documents. `start` before use, `close` after."""

    def __init__(self, portal: PortalSection) -> None:
        self._portal = portal
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the client; nothing is sent yet."""
        self._session = session(self._portal, aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=20))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, command: protocol.Command) -> bytes:
        """The PDF of a command, compared with the SHA-256 that came with it.

        Raises CommandError: cancelled where the portal says that it may no longer be printed.
        """
        ticket = command.document
        if ticket is None:
            raise CommandError("document", "The portal named no document to print.")
        for pause in (*PAUSES, None):
            try:
                pdf = await self._ask(command.id, ticket.token)
                break
            except aiohttp.ClientResponseError as error:
                words = f"The portal answered {error.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                words = words_of(error).capitalize()
            if pause is None:
                raise CommandError("portal", f"{words}: nothing was printed.")
            await asyncio.sleep(pause)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(pdf).hexdigest())
        if digest != ticket.sha256 or not pdf.startswith(b"%PDF-"):
            raise CommandError("digest", "The document came damaged: nothing was printed.")
        return pdf

    async def _ask(self, number: str, token: str) -> bytes:
        if self._session is None:
            raise CommandError("stopping", "The agent is stopping: nothing was printed.")
        async with self._session.post(
            self._portal.url + PATH.format(id=number),
            headers={"X-Print-Token": token},
            allow_redirects=False,
            **by_proxy(self._portal),
        ) as response:
            if response.status in TRY_AGAIN:
                raise aiohttp.ClientResponseError(response.request_info, (), status=response.status)
            content = await _bounded(response)
            if response.status == 200:
                return content
        raise _refusal(response.status, content)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(256 * 1024):
        content += chunk
        if len(content) > MAX_BYTES:
            raise CommandError("too-large", "The document is too large to print.")
    return bytes(content)


def _refusal(status: int, content: bytes) -> CommandError:
    """409: it may not be printed any more; 410: the token or the time to live is over."""
    body: Any = None
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    said = body if isinstance(body, dict) else {}
    words = str(said.get("error") or f"The portal answered {status}: nothing was printed.")
    code = str(said.get("code") or "portal")
    if status == 409:
        return CommandError(code, words, protocol.CANCELLED)
    if status == 410 and code == "too-late":
        return CommandError(code, words, protocol.EXPIRED)
    if status in (401, 403):
        words = "The portal does not give this agent the document: nothing was printed."
    return CommandError(code, words)
