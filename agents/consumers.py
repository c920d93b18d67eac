"""`/ws/agents/`: the socket of one agent."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import timezone

from agents import admission, commands, protocol, reception
from agents.hub import REGISTER_WITHIN, REPLACED, hub
from agents.models import Agent, AgentCommand
from agents.printing import orders
from agents.protocol import ProtocolError
from pacs.accounts.addresses import address_of

log = structlog.get_logger(__name__)

REFUSED = 4403
TOO_MANY_ERRORS = 4400
ERRORS_ALLOWED = 20
PROGRESS_EVERY = 0.5
SEND_TIMEOUT = 20.0


class AgentConsumer(AsyncWebsocketConsumer):
    """Admits by key and network, registers, hands out commands, takes what the agent tells.

    Every message is checked by the protocol; whether the key still holds is asked every two
    seconds, and at once where it was revoked.
    """

    # The hub listens to the channel layer for every socket of the process.
    channel_layer_alias = "none"

    agent: Agent
    key_id = 0
    address = ""
    is_registered = False
    is_over = False

    async def connect(self) -> None:
        self.token = str(uuid.uuid4())
        self.heard_at = time.monotonic()
        self.patience = REGISTER_WITHIN
        self.errors = 0
        self.told: dict[int, float] = {}
        self.known_state: dict[str, Any] = {}
        self.delivering = asyncio.Lock()
        self.tasks: set[asyncio.Task[None]] = set()
        headers = _headers(self.scope["headers"])
        peer: Any = (self.scope.get("client") or ["", 0])[0]
        self.address = address_of(str(peer), headers.get("x-forwarded-for", ""))
        admitted = await hub().batch.run(
            admission.admit,
            headers.get("authorization", ""),
            self.scope.get("query_string", b"").decode("latin-1"),
            self.address,
        )
        if admitted is None:
            await self.close(code=REFUSED)
            return
        self.agent, self.key_id = admitted.agent, admitted.key_id
        await self.accept()
        hub().enter(self)

    async def disconnect(self, code: int) -> None:
        self.is_over = True
        if not self.key_id:
            return
        hub().leave(self)
        for task in self.tasks:
            task.cancel()
        if self.is_registered:
            await hub().batch.run(reception.disconnected, self.agent.pk, self.token)

    async def end(self, code: int) -> None:
        """Close from our side; what still comes is not read."""
        if self.is_over:
            return
        self.is_over = True
        await self.close(code=code)

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        if self.is_over:
            return
        self.heard_at = time.monotonic()
        ref = ""
        try:
            message = protocol.decode(text_data if text_data is not None else bytes_data or b"")
            ref = getattr(message, "id", "")
            await self._take(message)
        except ProtocolError as error:
            await self._answer_error(error)
        except Exception as error:
            # What an agent sends must not end its connection; it sends again what was not taken.
            log.exception("agent message failed", agent=self.agent.pk, error=type(error).__name__)
            words = "The portal had a fault."
            await self._say(protocol.Error(code="portal", message=words, ref=ref))

    def wake(self) -> None:
        """There may be commands."""
        if not self.is_over:
            self._start(self._deliver(again=False))

    def news(self, of: str) -> None:
        """There is something new for the agent to fetch."""
        if not self.is_over and self.is_registered:
            self._start(self._say(protocol.News(of=of)))

    async def _take(self, message: protocol.Message) -> None:
        if isinstance(message, protocol.Error):
            await self._refused(message)
            return
        if isinstance(message, protocol.Register):
            await self._register(message)
            return
        if not self.is_registered:
            raise ProtocolError("not-registered", "The first message must be register.")
        match message:
            case protocol.Heartbeat():
                await self._heartbeat(message)
            case protocol.Accepted(of="command"):
                self._begin(commands.accepted, self.agent, _number(message.id))
            case protocol.Progress():
                self._progress(message)
            case protocol.Result():
                await self._result(message)
            case protocol.Event():
                await hub().batch.run(reception.happened, self.agent, message)
                await self._say(protocol.Accepted(id=message.id, of="event"))
            case _:
                raise ProtocolError("direction", "Only the portal sends such messages.")

    async def _register(self, message: protocol.Register) -> None:
        if self.is_registered:
            raise ProtocolError("registered", "This connection is registered already.")
        answer = await hub().batch.run(reception.register, self.agent, self.token, message)
        self.is_registered = True
        self.patience = max(settings.AGENT_HEARTBEAT_SECONDS * 3.5, REGISTER_WITHIN)
        before = hub().registered(self)
        if before is not None:
            await before.end(REPLACED)
        await self._say(answer)
        self._start(self._deliver(again=True))

    async def _heartbeat(self, message: protocol.Heartbeat) -> None:
        hub().heard(self.agent.pk)
        state = reception.state_of(message)
        if state != self.known_state:
            await hub().batch.run(reception.heard, self.agent, state)
            self.known_state = state
        await self._say(protocol.Heartbeat(at=timezone.now()))

    def _progress(self, message: protocol.Progress) -> None:
        """At most two a second of a command are kept: the next one tells more."""
        number, now = _number(message.id), time.monotonic()
        if now - self.told.get(number, 0.0) < PROGRESS_EVERY:
            return
        if len(self.told) > 1000:
            self.told.clear()
        self.told[number] = now
        self._begin(
            commands.progressed, self.agent, number, message.done, message.total, message.message
        )

    async def _result(self, message: protocol.Result) -> None:
        number = _number(message.id)
        if not await hub().batch.run(commands.ended, self.agent, number, message):
            raise ProtocolError("unknown-id", "The agent was given no such command.", message.id)
        self.told.pop(number, None)
        await self._say(protocol.Accepted(id=message.id, of="result"))

    async def _refused(self, message: protocol.Error) -> None:
        """The agent could not take what we sent. Where that was a command, it has failed."""
        if self.is_registered and message.ref.isdecimal():
            await hub().batch.run(
                commands.refused, self.agent, _number(message.ref), message.code, message.message
            )

    async def _deliver(self, *, again: bool) -> None:
        async with self.delivering:
            send, stop = await hub().batch.run(commands.take_one, self.agent, again)
            prints = [each for each in send if each.type == protocol.PRINT_REPORT]
            tickets = await hub().batch.run(orders.tickets, prints) if prints else {}
            for command in send:
                await self._say(_as_message(command, tickets.get(command.pk)))
            for command in stop:
                await self._say(
                    protocol.Cancel(id=str(command.pk), idempotency_key=command.idempotency_key)
                )

    async def _answer_error(self, error: ProtocolError) -> None:
        self.errors += 1
        await self._say(protocol.Error(code=error.code, message=error.message, ref=error.ref))
        if error.code == "version" or self.errors > ERRORS_ALLOWED:
            await self.end(TOO_MANY_ERRORS)

    async def _say(self, message: protocol.Message) -> None:
        if self.is_over:
            return
        async with asyncio.timeout(SEND_TIMEOUT):
            await self.send(text_data=protocol.encode(message))

    def _begin(self, function: Any, *arguments: Any) -> None:
        """Database work that is not answered: it shares a commit with the result behind it."""
        future = hub().batch.begin(function, *arguments)
        future.add_done_callback(self._begun)

    def _begun(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            log.warning("a step was not kept", agent=self.agent.pk, error=type(error).__name__)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(self._guarded(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except Exception as error:
            # The hub's next look starts it again.
            log.warning("commands not sent", agent=self.agent.pk, error=type(error).__name__)


def _as_message(command: AgentCommand, ticket: protocol.Ticket | None) -> protocol.Command:
    left = (command.expires_at - timezone.now()).total_seconds()
    requester = command.requester
    return protocol.Command(
        id=str(command.pk),
        idempotency_key=command.idempotency_key,
        command=command.type,
        params=command.params,
        ttl=max(0, int(left)),
        expires_at=command.expires_at,
        requester=requester.username if requester else "",
        document=ticket,
    )


def _headers(pairs: Any) -> dict[str, str]:
    """Lower-case names; what came more than once in one line, as HTTP means it."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _number(text: str) -> int:
    """The number of a command; ProtocolError where the agent makes one up."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ProtocolError("unknown-id", "The agent was given no such command.", text[:64])
    return int(text)
