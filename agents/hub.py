"""The agents' sockets of one process: who is here, who must go, who has something to do.

One task listens to the channel layer and one looks at the database every two seconds, for all
sockets together: an idle agent costs a dictionary entry.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from channels.layers import get_channel_layer

from agents import admission, announce, commands, reception, wake
from agents.batch import Batch, Together
from agents.models import Agent, AgentCommand, CommandState

if TYPE_CHECKING:
    from agents.consumers import AgentConsumer

log = structlog.get_logger(__name__)

LOOK_EVERY = 2.0
STEPS_EVERY = 0.4
REGISTER_WITHIN = 10.0
# Redis and SQLite forget groups after a day.
JOIN_EVERY = 3600.0
CHUNK = 5000
REVOKED = 4403
REPLACED = 4409
TIMED_OUT = 4408
TOGETHER: dict[Callable[..., Any], Together] = {
    commands.take_one: commands.take_together,
    commands.accepted: commands.accepted_together,
    commands.ended: commands.ended_together,
}
_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        found = _hubs[loop] = Hub()
    return found


class Hub:
    """Connections by their token; the registered one of each agent."""

    def __init__(self) -> None:
        self.connections: dict[str, AgentConsumer] = {}
        self.of_agent: dict[int, AgentConsumer] = {}
        self._heard: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.batch = Batch(TOGETHER)

    def enter(self, consumer: AgentConsumer) -> None:
        self.connections[consumer.token] = consumer
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._listen(), name="agents-listen"),
                asyncio.create_task(self._look(), name="agents-look"),
                asyncio.create_task(self._tell(), name="agents-tell"),
            ]

    def registered(self, consumer: AgentConsumer) -> AgentConsumer | None:
        """Make it the agent's one; the connection that it replaces in this process."""
        before = self.of_agent.get(consumer.agent.pk)
        self.of_agent[consumer.agent.pk] = consumer
        wake.here[consumer.agent.pk] = self._call
        return before if before is not consumer else None

    def leave(self, consumer: AgentConsumer) -> None:
        self.connections.pop(consumer.token, None)
        if self.of_agent.get(consumer.agent.pk) is consumer:
            del self.of_agent[consumer.agent.pk]
            wake.here.pop(consumer.agent.pk, None)
        if not self.connections:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    def heard(self, agent_id: int) -> None:
        """A sign of life, written with those of the others."""
        self._heard.add(agent_id)

    async def _listen(self) -> None:
        layer = get_channel_layer()
        if layer is None:
            return
        channel = await layer.new_channel()
        joined = 0.0
        try:
            while True:
                if time.monotonic() - joined > JOIN_EVERY or not joined:
                    await layer.group_add(wake.GROUP, channel)
                    joined = time.monotonic()
                try:
                    async with asyncio.timeout(60):
                        message = await layer.receive(channel)
                except TimeoutError:
                    continue
                await self._called(message["event"])
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # The look every two seconds goes on; the next agent that comes starts this again.
            log.warning("agents do not hear the channel layer", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY)
            self._tasks[0] = asyncio.create_task(self._listen(), name="agents-listen")

    def _call(self, event: dict[str, Any]) -> None:
        """From a thread of this process that has committed something for an agent."""
        # A loop that is closing has no agents left.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._answer, event)

    def _answer(self, event: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self._called(event))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _called(self, event: dict[str, Any]) -> None:
        consumer = self.of_agent.get(event["agent"])
        if consumer is None:
            return
        if event["what"] == "commands":
            consumer.wake()
        elif event["what"] == "replaced" and event["connection"] != consumer.token:
            await self._check_replaced([consumer])
        elif event["what"] == "news":
            consumer.news(event["of"])
        elif event["what"] == "access":
            await self._check_access([consumer])

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self._look_once()
            except Exception as error:
                log.warning("agents were not looked after", error=type(error).__name__)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(STEPS_EVERY)
            if announce.steps_wait():
                try:
                    await self.batch.run(announce.publish_steps)
                except Exception as error:
                    log.warning("steps were not told", error=type(error).__name__)

    async def _look_once(self) -> None:
        heard, self._heard = self._heard, set()
        if heard:
            await self.batch.run(reception.seen, sorted(heard))
        now = time.monotonic()
        for consumer in list(self.connections.values()):
            if now - consumer.heard_at > consumer.patience:
                await consumer.end(TIMED_OUT)
        open_now = list(self.connections.values())
        await self._check_access(open_now)
        await self._check_replaced([each for each in open_now if each.is_registered])
        for agent_id in await self.batch.run(_waiting):
            if agent_id in self.of_agent:
                self.of_agent[agent_id].wake()

    async def _check_access(self, consumers: list[AgentConsumer]) -> None:
        keys = [(each.key_id, each.address) for each in consumers]
        good = await self.batch.run(admission.still_admitted, keys)
        for consumer in consumers:
            if consumer.key_id not in good:
                await consumer.end(REVOKED)

    async def _check_replaced(self, consumers: list[AgentConsumer]) -> None:
        current = await self.batch.run(_connections, [each.agent.pk for each in consumers])
        for consumer in consumers:
            token = current.get(consumer.agent.pk)
            # "" is a connection that was called stale while this process was too busy to say.
            if token and token != consumer.token:
                await consumer.end(REPLACED)
            elif token == "":
                self.heard(consumer.agent.pk)
                await self.batch.run(reception.reclaim, consumer.agent.pk, consumer.token)


def _waiting() -> list[int]:
    return list(
        AgentCommand.objects.filter(state=CommandState.QUEUED)
        .exclude(agent__connection="")
        .order_by()
        .values_list("agent_id", flat=True)
        .distinct()[:1000]
    )


def _connections(agent_ids: list[int]) -> dict[int, str]:
    """The connection that each agent has by the database."""
    found: dict[int, str] = {}
    if len(agent_ids) > admission.FEW:
        found.update(
            Agent.objects.exclude(connection="").order_by().values_list("pk", "connection")
        )
    rest = [number for number in agent_ids if number not in found]
    for start in range(0, len(rest), CHUNK):
        rows = Agent.objects.filter(pk__in=rest[start : start + CHUNK]).order_by()
        found.update(rows.values_list("pk", "connection"))
    return found
