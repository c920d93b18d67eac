"""A portal's socket that says what the test tells it to: also what no honest portal would."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agents import protocol
from tests.servers.ports import free_port, wait_until

Http = Callable[[str, dict[str, str]], tuple[int, dict[str, str], bytes] | None]


class ScriptedPortal:
    """Registers whoever comes and keeps what it hears. `refuse`: status, headers instead.

    `acknowledge` false: results and events are never taken. `pages` answers GETs by path;
    `http`, by path and headers, answers what is no socket with status, headers and body.
    """

    def __init__(self, ssl: Any = None) -> None:
        self.port = free_port()
        self.ssl = ssl
        self.refuse: tuple[int, dict[str, str]] | None = None
        self.pages: dict[str, bytes] = {}
        self.acknowledge = True
        self.http: Http = lambda _path, _headers: None
        self.heartbeat_seconds = 20
        self.heard: list[protocol.Message] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.connected_at: list[float] = []
        self._socket: ServerConnection | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.ssl else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> ScriptedPortal:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, *_exc: object) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # What tests do

    def say(self, message: protocol.Message) -> None:
        self.say_raw(protocol.encode(message))

    def say_raw(self, data: str | bytes) -> None:
        self.wait(lambda: self._socket is not None, "a connection")
        assert self._socket is not None
        self._do(self._socket.send(data))

    def command(self, name: str, *, ttl: int = 60, **more: Any) -> protocol.Command:
        """Send a command and give it back."""
        made = protocol.Command(
            id=more.pop("id", uuid.uuid4().hex),
            idempotency_key=more.pop("key", uuid.uuid4().hex),
            command=name,
            ttl=ttl,
            expires_at=datetime.now(UTC) + timedelta(seconds=ttl),
            requester=more.pop("requester", "ann"),
            params=more.pop("params", {}),
        )
        self.say(made)
        return made

    def close(self, code: int = 1000) -> None:
        socket, self._socket = self._socket, None
        assert socket is not None
        self._do(socket.close(code))

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in list(self.heard) if isinstance(each, kind)]

    def result(self, command: protocol.Command, seconds: float = 20) -> protocol.Result:
        found: list[protocol.Result] = []

        def look() -> bool:
            found[:] = [each for each in self.of(protocol.Result) if each.id == command.id]
            return bool(found)

        self.wait(look, f"a result of {command.command}", seconds)
        return found[0]

    def wait(self, check: Callable[[], object], what: str, seconds: float = 20) -> None:
        wait_until(check, seconds, f"{what}; heard {self.heard[-5:]}")

    def wait_registered(self, count: int = 1) -> None:
        self.wait(lambda: len(self.of(protocol.Register)) >= count, f"{count} registrations")

    # The server

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self) -> None:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            ssl=self.ssl,
            process_request=self._admit,
            ping_interval=None,
            max_size=protocol.MAX_BYTES,
        )

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close(close_connections=True)
        await self._server.wait_closed()

    def _admit(self, connection: ServerConnection, request: Any) -> Any:
        given = self.http(
            request.path, {key.lower(): each for key, each in request.headers.items()}
        )
        if given is not None:
            answer = connection.respond(HTTPStatus(given[0]), "")
            del answer.headers["Content-Length"]
            answer.headers.update({"Content-Length": str(len(given[2])), **given[1]})
            answer.body = given[2]
            return answer
        self.connected_at.append(time.monotonic())
        self.headers.append({key.lower(): each for key, each in request.headers.items()})
        self.paths.append(request.path)
        page = self.pages.get(request.path.partition("?")[0])
        if page is not None:
            response = connection.respond(HTTPStatus.OK, "")
            del response.headers["Content-Length"]
            response.headers["Content-Length"] = str(len(page))
            response.body = page
            return response
        if self.refuse is None:
            return None
        response = connection.respond(HTTPStatus(self.refuse[0]), "no")
        response.headers.update(self.refuse[1])
        return response

    async def _serve(self, socket: ServerConnection) -> None:
        while True:
            try:
                message = protocol.decode(await socket.recv())
            except ConnectionClosed:
                return
            if isinstance(message, protocol.Register):
                await socket.send(protocol.encode(self._registered()))
                self._socket = socket
            self.heard.append(message)
            if isinstance(message, protocol.Register):
                continue
            if self.acknowledge and isinstance(message, protocol.Result | protocol.Event):
                of = "result" if isinstance(message, protocol.Result) else "event"
                await socket.send(protocol.encode(protocol.Accepted(id=message.id, of=of)))

    def _registered(self) -> protocol.Registered:
        return protocol.Registered(
            agent_id=1,
            name="Test",
            site="Main",
            now=datetime.now(UTC),
            heartbeat_seconds=self.heartbeat_seconds,
        )
