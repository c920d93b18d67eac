"""RIS and HIS: HL7 in and out, queries, worklist. Only what is configured is loaded and runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from agents import protocol
from agents.site.commands import Handler
from agents.site.config import Config
from agents.site.database import Database
from agents.site.hl7 import oru
from agents.site.hl7.inbox import Inbox
from agents.site.hl7.listener import Listener
from agents.site.journal import Journal
from agents.site.portalclient import PortalClient, PortalError
from agents.site.problems import Problems
from agents.site.queries import Queries

TIDY_SECONDS = 6 * 3600.0
CONNECT_SECONDS = 10.0


class Ris:
    """The parts of one agent that speak with the hospital's other systems."""

    def __init__(
        self, config: Config, database: Database, problems: Problems, wake: Callable[[], None]
    ) -> None:
        client = PortalClient(config.portal)
        self._database = database
        self._queries = Queries(config.databases, config.queries)
        self._oru = oru.OruSender(config.oru, database, client, problems)
        self._has_queries, self._has_receivers = bool(config.queries), bool(config.oru)
        self._parts: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._refresh: Callable[[], None] = lambda: None
        found = []
        if config.hl7.port:
            self._inbox = Inbox(config.hl7, database, problems, wake)
            self._parts += [Listener(config.hl7, self._inbox, problems).run, self._tidy]
            found.append("hl7")
        if config.worklist.port:
            # pydicom and pynetdicom cost 30 MB.
            from agents.site.worklist.copy import OrderCopy
            from agents.site.worklist.scp import WorklistServer

            orders = OrderCopy(database, client, problems, config.worklist.refresh_seconds)
            server = WorklistServer(config.worklist, orders, database, problems, wake)
            self._parts += [orders.run, server.run]
            self._refresh = orders.wake
            found.append("worklist")
        self.capabilities = tuple(found)

    def table(self) -> dict[str, Handler]:
        """Command -> handler."""
        found: dict[str, Handler] = {}
        if self._has_queries:
            found[protocol.QUERY_RIS] = self._queries.query
        if self._has_receivers:
            found[protocol.SEND_ORU] = self._oru.send
        return found

    def parts(self) -> list[Coroutine[Any, Any, None]]:
        """What runs for as long as the agent does."""
        return [part() for part in self._parts]

    def recover(self, journal: Journal) -> None:
        """At start, before commands that were broken off are called interrupted."""
        oru.recover(self._database, journal)

    def news(self, of: str) -> None:
        """The portal has something new."""
        if of == protocol.ORDERS:
            self._refresh()

    def close(self) -> None:
        self._queries.close()

    async def _tidy(self) -> None:
        while True:
            await asyncio.to_thread(self._inbox.forget)
            await asyncio.sleep(TIDY_SECONDS)


async def check(config: Config, running: bool) -> list[tuple[str, bool, str]]:
    """Each configured part tried once: subject, whether it is good, words. `running`: the agent
    itself holds its ports now."""
    rows = []
    for name, section in (("hl7", config.hl7), ("worklist", config.worklist)):
        if section.port:
            rows.append((name, *_port(section.address, section.port, running)))
    if config.worklist.port:
        rows.append(("worklist orders", *await _orders(config)))
    queries = Queries(config.databases, config.queries)
    for database in config.databases:
        wrong = await asyncio.to_thread(queries.try_database, database.name)
        rows.append((f"database {database.name}", not wrong, wrong or "can be read"))
    queries.close()
    for receiver in config.oru:
        rows.append((f"oru {receiver.name}", *await _reach(receiver.host, receiver.port)))
    return rows


def _port(address: str, port: int, running: bool) -> tuple[bool, str]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if running:
                return True, f"port {port} is the running agent's"
            return False, f"port {port} cannot be had: {error.strerror}"
    return True, f"port {port} is free"


async def _orders(config: Config) -> tuple[bool, str]:
    from agents.site.worklist.copy import PATH

    try:
        answer = await PortalClient(config.portal).fetch_json(PATH, {"since": "0"})
        return True, f"the portal has {len(answer['orders'])} or more open orders"
    except PortalError as error:
        return False, error.words
    except (KeyError, TypeError):
        return False, "what the portal answered are no orders"


async def _reach(host: str, port: int) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return False, f"cannot be reached: {error.strerror or type(error).__name__}"
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True, "can be reached"
