"""Many site agents at one portal: how fast they connect, what they weigh, how fast they obey.

`python -m benchmarks.agents [agents] [--rate 50] [--redis]`: 2,000 on the embedded shape alone.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import resource
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from agents import protocol
from benchmarks.cpu import busy
from benchmarks.http import Row
from tests.servers.portal import Portal
from tests.servers.redis import RedisServer
from tests.servers.stack import Stack

LOAD_SECONDS = 20
AT_ONCE = 50
IDLE_SECONDS = 15
MAKE = """
import json
from agents.keys import _issue
from agents.models import Agent
from django.db import transaction
from pacs.accounts.models import Site
site = Site.objects.order_by("id").first()
with transaction.atomic():
    found = []
    for number in range({count}):
        agent = Agent.objects.create(site=site, name=f"Agent {{number}}", state="active")
        found.append((agent.pk, _issue(agent)[1]))
print(json.dumps(found))
"""


_kept = threading.local()


class Agents:
    """All agents in one event loop; each answers a command at once."""

    def __init__(self, portal: Portal, keys: list[tuple[int, str]]) -> None:
        self.portal = portal
        self.keys = keys
        self.sockets: list[ClientConnection] = []
        self.ended: dict[str, float] = {}

    async def connect(self) -> float:
        """Connect and register them all; seconds."""
        room = asyncio.Semaphore(AT_ONCE)
        began = time.monotonic()
        self.sockets = await asyncio.gather(*(self._one(key, room) for _, key in self.keys))
        took = time.monotonic() - began
        self.readers = [asyncio.create_task(self._read(each)) for each in self.sockets]
        return took

    async def _one(self, key: str, room: asyncio.Semaphore) -> ClientConnection:
        async with room:
            socket = await connect(
                f"ws://127.0.0.1:{self.portal.stack.port}/ws/agents/",
                additional_headers={"Authorization": f"Bearer {key}"},
                proxy=None,
                open_timeout=60,
                ping_interval=None,
            )
            await socket.send(protocol.encode(protocol.Register(version="1.0.0")))
            assert isinstance(protocol.decode(await socket.recv()), protocol.Registered)
            return socket

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            message = protocol.decode(text)
            if isinstance(message, protocol.Command):
                await socket.send(protocol.encode(protocol.Accepted(id=message.id)))
                await socket.send(
                    protocol.encode(protocol.Result(id=message.id, outcome=protocol.DONE))
                )
            elif isinstance(message, protocol.Accepted):
                self.ended[message.id] = time.monotonic()

    async def close(self) -> None:
        for reader in self.readers:
            reader.cancel()
        await asyncio.gather(*(socket.close() for socket in self.sockets))


def resident(pid: int) -> int:
    """Kilobytes of memory that the process holds."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def post(portal: Portal, agent_id: int) -> tuple[str, float]:
    """Queue a ping; its id and when it was asked for."""
    began = time.monotonic()
    if not hasattr(_kept, "connection"):
        _kept.connection = http.client.HTTPConnection("127.0.0.1", portal.stack.port, timeout=60)
    connection = _kept.connection
    headers = {
        "Authorization": f"Bearer {portal.tokens['technician']}",
        "Content-Type": "application/json",
    }
    connection.request("POST", f"/api/agents/{agent_id}/commands/", '{"type": "ping"}', headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 201, body
    return str(body["id"]), began


async def round_trips(portal: Portal, agents: Agents, rate: float) -> list[float]:
    """Milliseconds from asking for a command until the agent knows that its result is kept."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(32) as pool:
        asked = []
        began = time.monotonic()
        for number in range(int(rate * LOAD_SECONDS)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            agent_id = agents.keys[number % len(agents.keys)][0]
            asked.append(loop.run_in_executor(pool, post, portal, agent_id))
        sent = await asyncio.gather(*asked)
    deadline = time.monotonic() + 30
    while any(number not in agents.ended for number, _ in sent):
        assert time.monotonic() < deadline, "commands without a result"
        await asyncio.sleep(0.1)
    return [(agents.ended[number] - at) * 1000 for number, at in sent]


async def measure(portal: Portal, count: int, rate: float) -> dict[str, float]:
    keys = json.loads(portal.stack.shell(MAKE.format(count=count)))
    pid = portal.stack.pid("web")
    warm = Agents(portal, keys[:50])
    await warm.connect()
    await warm.close()
    before = resident(pid)
    agents = Agents(portal, keys)
    found: dict[str, float] = {"agents": count, "connect_s": await agents.connect()}
    await asyncio.sleep(5)
    found["kb_each"] = (resident(pid) - before) / count
    used = busy(pid)
    await asyncio.sleep(IDLE_SECONDS)
    found["idle_cpu_percent"] = (busy(pid) - used) / IDLE_SECONDS * 100
    used = busy(pid)
    times = await round_trips(portal, agents, rate)
    found["cpu_ms_per_command"] = (busy(pid) - used) / len(times) * 1000
    cuts = statistics.quantiles(times, n=100)
    found |= {"trip_p50_ms": cuts[49], "trip_p95_ms": cuts[94], "trip_p99_ms": cuts[98]}
    await agents.close()
    return found


def table_rows(found: dict[str, float]) -> list[Row]:
    """Beside no Orthanc: it has no agents."""
    return [
        ("agents connected, each in memory", "", f"{found['kb_each']:.0f} KB", ""),
        (f"{found['agents']:.0f} agents connect", "", f"{found['connect_s']:.1f} s", ""),
        ("agents idle, of one core", "", f"{found['idle_cpu_percent']:.1f} %", ""),
        (
            "50 commands a second: round trip p50, p95",
            "",
            f"{found['trip_p50_ms']:.0f} ms, {found['trip_p95_ms']:.0f} ms",
            "",
        ),
        ("a command, processor time", "", f"{found['cpu_ms_per_command']:.1f} ms", ""),
    ]


def more_files() -> None:
    """Sockets for all, as far as the system permits."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("agents", nargs="?", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=50, help="commands per second")
    parser.add_argument("--redis", action="store_true")
    arguments = parser.parse_args()
    more_files()
    env: dict[str, Any] = {}
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        if arguments.redis:
            env["REDIS_URL"] = held.enter_context(RedisServer(folder / "redis")).url
        stack = held.enter_context(Stack(folder / "portal", env=env))
        found = asyncio.run(measure(Portal(stack), arguments.agents, arguments.rate))
    print(json.dumps({name: round(value, 1) for name, value in found.items()}, indent=1))


if __name__ == "__main__":
    main()
