"""The one connection to the portal: outbound, TLS with pins, kept for ever, resumed with care.

After each connect the agent registers, sends again what the portal has not taken, and then its
results and events as they come. The key travels in the Authorization header only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import random
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxyStatus,
    InvalidStatus,
    WebSocketException,
)

from agents import protocol
from agents.site import VERSION, launched, tls
from agents.site.commands import Dispatcher
from agents.site.journal import ORDERED, Journal, Outbox
from agents.site.options import PortalSection
from agents.site.portalclient import PortalClient, PortalError
from agents.site.problems import Problems

log = logging.getLogger("agents.site")

PATH = "/ws/agents/"
FIRST_PAUSE = 1.0
REFUSED_PAUSE = 60.0
"""Seconds between attempts that a person must first make good: a wrong key, another agent."""
STEADY_AFTER = 30.0
"""A connection that lasted so long was a good one: the next pause begins small."""
OPEN_TIMEOUT = 20.0
REGISTER_TIMEOUT = 20.0
UNANSWERED = 50
"""Events on the way at the same time."""
FAULT_PAUSE = 2.0
"""Seconds before an event is sent again that the portal could not take."""
NOT_YET_PAUSE = 300.0
SKEW = 120.0
REVOKED, REPLACED = 4403, 4409
NEVER = frozenset({"unknown-event", "unknown-id", "unknown-type", "too-large", "field"})
"""Errors after which the same message will not be taken either."""


class RefusedConnection(Exception):
    """The portal or a proxy says no; `pause` seconds before it is worth asking again."""

    def __init__(self, words: str, pause: float) -> None:
        super().__init__(words)
        self.pause = pause


class _Connect(connect):
    """Follows no redirect: the key goes to the configured portal and nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Connection:
    """Keeps the socket; `run` until cancelled. `state` gives the heartbeat's content."""

    def __init__(
        self,
        portal: PortalSection,
        dispatcher: Dispatcher,
        journal: Journal,
        outbox: Outbox,
        problems: Problems,
        state: Callable[[], dict[str, Any]],
    ) -> None:
        self._portal = portal
        self._dispatcher = dispatcher
        self._journal = journal
        self._outbox = outbox
        self._problems = problems
        self._state = state
        self._socket: ClientConnection | None = None
        self._work = asyncio.Event()
        self._state_changed = asyncio.Event()
        self._sent_results: set[str] = set()
        self._sent_events: set[str] = set()
        self._ordered: set[str] = set()
        self._client = PortalClient(portal)
        self._carrying: set[asyncio.Task[None]] = set()
        self.news: Callable[[str], None] = lambda _of: None
        self._says: set[asyncio.Task[None]] = set()
        self.registered: protocol.Registered | None = None
        dispatcher.say = self.say
        dispatcher.report = self._report

    # From outside

    def wake(self) -> None:
        """There is something to send in the journal or the outbox."""
        self._work.set()

    def tell_state(self) -> None:
        """What the heartbeat tells has changed: the next one is due now, with what waits."""
        self._state_changed.set()
        self._work.set()

    def _report(self, id_: str) -> None:
        self._sent_results.discard(id_)
        self._work.set()

    def say(self, message: protocol.Message) -> None:
        """Send a message if there is a connection; else it is not needed."""
        if self._socket is not None and self.registered is not None:
            task = asyncio.create_task(self._quietly(message))
            self._says.add(task)
            task.add_done_callback(self._says.discard)

    async def run(self) -> None:
        """Connect, and again after every end."""
        failures = 0
        while True:
            begun = time.monotonic()
            least = 0.0
            try:
                await self._once()
            except RefusedConnection as error:
                least = error.pause
                self._problems.note("connection", str(error))
            except (OSError, WebSocketException) as error:
                self._problems.note("connection", words_of(error))
            lasted = time.monotonic() - begun
            failures = 0 if lasted > STEADY_AFTER else failures + 1
            most = min(FIRST_PAUSE * 2.0 ** min(failures, 16), self._portal.reconnect_max_seconds)
            # Jitter over the whole pause: a thousand agents do not come back at the same moment.
            await asyncio.sleep(max(least, most * random.uniform(0.1, 1.0)))  # noqa: S311

    async def probe(self) -> protocol.Registered:
        """Connect, register and leave; for `--check`. Raises as the attempt fails."""
        async with self._open() as socket:
            return await self._register(socket)

    # One connection

    def _open(self) -> connect:
        portal = self._portal
        parts = urlsplit(portal.url)
        secure = parts.scheme == "https"
        more: dict[str, Any] = {"ssl": tls.context(portal.pins, portal.ca_file)} if secure else {}
        return _Connect(
            f"{'wss' if secure else 'ws'}://{parts.netloc}{PATH}",
            additional_headers={"Authorization": f"Bearer {portal.api_key.reveal()}"},
            user_agent_header=f"lightbox-agent/{VERSION}",
            proxy=proxy_url(portal),
            open_timeout=OPEN_TIMEOUT,
            ping_interval=portal.ping_seconds,
            ping_timeout=portal.ping_seconds,
            close_timeout=5,
            max_size=protocol.MAX_BYTES,
            compression=None,
            **more,
        )

    async def _once(self) -> None:
        try:
            socket = await self._open()
            try:
                await self._session(socket)
            finally:
                await socket.close(1001)
        except InvalidStatus as error:
            raise _refused(error) from None
        except InvalidProxyStatus as error:
            status = error.response.status_code
            words = (
                "the proxy wants another user or password"
                if status == 407
                else (f"the proxy answered {status}")
            )
            raise RefusedConnection(words, REFUSED_PAUSE if status == 407 else 0.0) from None
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else 0
            if code == REVOKED:
                raise RefusedConnection("the portal has revoked the key", REFUSED_PAUSE) from None
            if code == REPLACED:
                raise RefusedConnection(
                    "another agent connected with the same key", REFUSED_PAUSE
                ) from None
            raise
        finally:
            self._socket = self.registered = None

    async def _session(self, socket: ClientConnection) -> None:
        registered = await self._register(socket)
        skew = abs((datetime.now(UTC) - registered.now).total_seconds())
        if skew > SKEW:
            self._problems.note("clock", f"this machine's clock is wrong by {skew:.0f} s")
        log.info("registered as %s at %s", registered.name, registered.site)
        self._sent_results.clear()
        self._sent_events.clear()
        self._ordered.clear()
        self._socket, self.registered = socket, registered
        self._work.set()
        tasks = [
            asyncio.create_task(self._heartbeats(socket, registered.heartbeat_seconds)),
            asyncio.create_task(self._send_what_waits(socket)),
            asyncio.create_task(self._receive(socket)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            everything = [*tasks, *self._carrying]
            for task in everything:
                task.cancel()
            await asyncio.gather(*everything, return_exceptions=True)
        for task in done:
            task.result()

    async def _register(self, socket: ClientConnection) -> protocol.Registered:
        await self._send(
            socket,
            protocol.Register(
                version=VERSION,
                release=launched.seq(),
                platform=platform.platform(terse=True)[:120],
                protocols=protocol.VERSIONS,
                capabilities=self._dispatcher.capabilities,
            ),
        )
        async with asyncio.timeout(REGISTER_TIMEOUT):
            while True:
                try:
                    message = protocol.decode(await socket.recv())
                except protocol.ProtocolError as error:
                    raise RefusedConnection(
                        f"the portal speaks another language: {error.message}", REFUSED_PAUSE
                    ) from None
                if isinstance(message, protocol.Registered):
                    return message
                if isinstance(message, protocol.Error):
                    raise RefusedConnection(
                        f"the portal did not register this agent: {message.code}", REFUSED_PAUSE
                    )

    async def _heartbeats(self, socket: ClientConnection, seconds: int) -> None:
        while True:
            self._state_changed.clear()
            state = await asyncio.to_thread(self._state)
            await self._send(
                socket,
                protocol.Heartbeat(
                    at=datetime.now(UTC),
                    version=VERSION,
                    last_errors=self._problems.latest(),
                    **state,
                ),
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._state_changed.wait()

    async def _receive(self, socket: ClientConnection) -> None:
        async for data in socket:
            try:
                message = protocol.decode(data)
            except protocol.ProtocolError as error:
                self._problems.note("protocol", f"from the portal: {error}")
                await self._send(
                    socket,
                    protocol.Error(code=error.code, message=error.message, ref=error.ref),
                )
                continue
            await self._take(socket, message)

    async def _take(self, socket: ClientConnection, message: protocol.Message) -> None:
        match message:
            case protocol.Command():
                await self._dispatcher.take(message)
            case protocol.Cancel():
                await self._dispatcher.cancel(message)
            case protocol.Accepted(of="result"):
                await asyncio.to_thread(self._journal.reported, message.id)
            case protocol.Accepted(of="event"):
                await self._delivered(message.id)
            case protocol.Error():
                await self._not_taken(message)
            case protocol.News():
                self.news(message.of)
            case protocol.Heartbeat() | protocol.Registered():
                pass
            case _:
                await self._send(
                    socket,
                    protocol.Error(code="direction", message="Only agents send such messages."),
                )

    async def _not_taken(self, error: protocol.Error) -> None:
        self._problems.note("protocol", f"the portal did not take a message: {error.code}")
        if error.ref in self._sent_events and (
            error.code == "portal" or error.ref in self._ordered
        ):
            asyncio.get_running_loop().call_later(FAULT_PAUSE, self._again, error.ref)
            return
        if error.code not in NEVER:
            return
        if error.ref in self._sent_events:
            await self._delivered(error.ref)
        elif error.ref in self._sent_results:
            await asyncio.to_thread(self._journal.reported, error.ref)

    async def _delivered(self, id_: str) -> None:
        await asyncio.to_thread(self._outbox.delivered, id_)
        self._again(id_)

    def _again(self, id_: str) -> None:
        """An event is no longer on the way; it is sent again if it is still in the outbox."""
        self._sent_events.discard(id_)
        self._ordered.discard(id_)
        self._work.set()

    async def _send_what_waits(self, socket: ClientConnection) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            for result in await asyncio.to_thread(self._journal.unreported):
                # Once a connection, and again where the portal asks again.
                if result.id not in self._sent_results:
                    self._sent_results.add(result.id)
                    await self._send(socket, result)
            for event in await asyncio.to_thread(self._outbox.pending, UNANSWERED):
                if event.id in self._sent_events or (event.event in ORDERED and self._ordered):
                    continue
                if event.event in ORDERED:
                    # One at a time: the next may cancel what this one orders.
                    self._ordered.add(event.id)
                self._sent_events.add(event.id)
                documents = await asyncio.to_thread(self._outbox.documents, event.id)
                if documents:
                    task = asyncio.create_task(self._carry(socket, event, documents))
                    self._carrying.add(task)
                    task.add_done_callback(self._carrying.discard)
                else:
                    await self._send(socket, event)

    async def _carry(
        self, socket: ClientConnection, event: protocol.Event, documents: list[str]
    ) -> None:
        """Leave an event's documents at the portal, then send it. Nothing else waits meanwhile but
        what has to keep its order."""
        failures = 0
        while documents:
            data = await asyncio.to_thread(self._outbox.document, event.id, documents[0])
            try:
                await self._client.put(
                    f"/api/agents/documents/{documents[0]}/", data, "application/pdf"
                )
            except PortalError as error:
                failures += 1
                self._problems.note("hl7", f"a report's PDF could not be delivered: {error.words}")
                most = min(
                    FIRST_PAUSE * 2.0 ** min(failures, 16), self._portal.reconnect_max_seconds
                )
                await asyncio.sleep(most * random.uniform(0.5, 1.0))  # noqa: S311
                continue
            documents = documents[1:]
        with contextlib.suppress(ConnectionClosed):
            await self._send(socket, event)

    async def _quietly(self, message: protocol.Message) -> None:
        socket = self._socket
        if socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._send(socket, message)

    async def _send(self, socket: ClientConnection, message: protocol.Message) -> None:
        try:
            text = protocol.encode(message)
        except protocol.ProtocolError as error:
            self._problems.note("protocol", f"a {message.TYPE} could not be sent: {error}")
            if not isinstance(message, protocol.Result):
                return
            text = protocol.encode(
                protocol.Result(
                    id=message.id,
                    outcome=message.outcome,
                    code="too-large",
                    message="What the command gave is too large to send.",
                )
            )
        await socket.send(text)


def proxy_url(portal: PortalSection) -> str | None:
    """The proxy with its user and password, as clients of HTTP take it."""
    if not portal.proxy:
        return None
    if not portal.proxy_user:
        return portal.proxy
    parts = urlsplit(portal.proxy)
    user = f"{quote(portal.proxy_user, safe='')}:{quote(portal.proxy_password.reveal(), safe='')}"
    return f"{parts.scheme}://{user}@{parts.netloc}"


def _refused(error: InvalidStatus) -> RefusedConnection:
    status = error.response.status_code
    after = error.response.headers.get("Retry-After", "")
    pause = min(float(after), 3600.0) if after.isdecimal() else 0.0
    if status in (401, 403):
        return RefusedConnection(
            "the portal refuses this agent's key, or its network", max(pause, REFUSED_PAUSE)
        )
    if status == 429:
        return RefusedConnection("the portal asks for fewer attempts", max(pause, 10.0))
    return RefusedConnection(f"the portal answered {status}", pause)


def words_of(error: BaseException) -> str:
    """Why a connection failed, in words without anything secret."""
    if isinstance(error, tls.PinError):
        return "the portal shows a public key that is not pinned; nothing was sent to it"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the portal's certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "the portal does not speak TLS as it should"
    if isinstance(error, TimeoutError):
        return "the portal does not answer"
    if isinstance(error, InvalidHandshake):
        return "what answers is not the portal"
    if isinstance(error, ConnectionClosed):
        return "the connection to the portal ended"
    if isinstance(error, OSError):
        return f"the portal cannot be reached: {error.strerror or type(error).__name__}"
    return type(error).__name__
