"""A bare agent on the wire: what the protocol says, and nothing that makes it comfortable."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

from agents import protocol
from tests.servers.portal import Portal

MAKE_AGENT = """
import json
from agents import keys
from agents.models import *
from pacs.accounts.models import Site
site = Site.objects.order_by("id").first()
agent, _ = Agent.objects.get_or_create(site=site, name={name!r})
agent.allowed_networks = {networks!r}
agent.save()
Agent.objects.filter(pk=agent.pk).update(state="active")
agent.refresh_from_db()
print(json.dumps([agent.pk, keys.rotate(agent, actor=None)]))
"""


def make_agent(portal: Portal, name: str, networks: list[str] | None = None) -> tuple[int, str]:
    """Id and a new key of an agent of the first site."""
    code = MAKE_AGENT.format(name=name, networks=networks or [])
    number, key = json.loads(portal.stack.shell(code))
    return number, key


class WireAgent:
    """One connection. `async with WireAgent(portal, key) as agent`."""

    def __init__(
        self,
        portal: Portal,
        key: str,
        *,
        path: str = "/ws/agents/",
        register: bool = True,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.url = f"ws://127.0.0.1:{portal.stack.port}{path}"
        self.headers = {"Authorization": f"Bearer {key}"} | (headers or {})
        self.register = register
        self.options = options
        self.hello: Any = None

    async def __aenter__(self) -> WireAgent:
        self.socket: ClientConnection = await connect(
            self.url, additional_headers=self.headers, proxy=None, **self.options
        )
        if self.register:
            await self.say(protocol.Register(version="1.0.0", platform="test"))
            self.hello = await self.hear(protocol.Registered)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.socket.close()

    async def say(self, message: protocol.Message) -> None:
        await self.socket.send(protocol.encode(message))

    async def hear(self, kind: type[Any], seconds: float = 15) -> Any:
        """The next message of a kind; others are passed over, but an unexpected error is none."""
        async with asyncio.timeout(seconds):
            while True:
                message = protocol.decode(await self.socket.recv())
                if isinstance(message, kind):
                    return message
                assert not isinstance(message, protocol.Error), message

    async def silence(self, kind: type[Any], seconds: float = 1.5) -> None:
        """No message of the kind comes."""
        try:
            found = await self.hear(kind, seconds)
        except TimeoutError:
            return
        raise AssertionError(found)

    async def closed(self, seconds: float = 15) -> int:
        """The code that the portal closes with."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await self.socket.recv()
                except websockets.ConnectionClosed as error:
                    return error.rcvd.code if error.rcvd else 1006


async def refusal(portal: Portal, key: str, **options: Any) -> int:
    """The HTTP status that a connection is refused with; 0 where it is not."""
    try:
        async with WireAgent(portal, key, register=False, **options):
            return 0
    except websockets.InvalidStatus as error:
        return error.response.status_code
