"""The agent's own copy of the site's open orders: modalities are answered also when offline."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from agents.site.database import Database
from agents.site.portalclient import PortalClient, PortalError
from agents.site.problems import Problems

PATH = "/api/agents/worklist/"
OPEN = frozenset({"scheduled", "in_progress"})
AGAIN = 10.0
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS worklist_orders (id INTEGER PRIMARY KEY, data TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS worklist_cursor (one INTEGER PRIMARY KEY CHECK (one = 1),"
    " since INTEGER NOT NULL)",
)


class OrderCopy:
    """The orders in the agent's database, refreshed by `run` and by `wake`."""

    def __init__(
        self, database: Database, client: PortalClient, problems: Problems, seconds: float
    ) -> None:
        self._database = database
        self._client = client
        self._problems = problems
        self._seconds = seconds
        self._news = asyncio.Event()
        with database.transaction() as connection:
            for statement in SCHEMA:
                connection.execute(statement)

    def wake(self) -> None:
        """Some orders have changed."""
        self._news.set()

    async def run(self) -> None:
        """Ask the portal for changes, for ever."""
        while True:
            self._news.clear()
            seconds = self._seconds
            try:
                while await self.refresh():
                    pass
            except PortalError as error:
                self._problems.note("worklist", f"orders could not be fetched: {error.words}")
                seconds = max(AGAIN, self._seconds)
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def refresh(self) -> bool:
        """Fetch what changed; whether there is more. Raises PortalError."""
        since = await asyncio.to_thread(self._since)
        answer = await self._client.fetch_json(PATH, {"since": str(since)})
        try:
            cursor, more = int(answer["cursor"]), bool(answer["more"])
            orders = [
                (int(each["id"]), each["status"], json.dumps(each)) for each in answer["orders"]
            ]
        except (KeyError, TypeError, ValueError):
            raise PortalError("what the portal answered are no orders") from None
        await asyncio.to_thread(self._keep, cursor, orders)
        return more and cursor > since

    def _since(self) -> int:
        rows: list[Any] = self._database.rows("SELECT since FROM worklist_cursor")
        return int(rows[0][0]) if rows else 0

    def _keep(self, cursor: int, orders: list[tuple[int, str, str]]) -> None:
        with self._database.transaction() as connection:
            for number, status, data in orders:
                if status in OPEN:
                    connection.execute(
                        "INSERT INTO worklist_orders (id, data) VALUES (?, ?)"
                        " ON CONFLICT (id) DO UPDATE SET data = excluded.data",
                        (number, data),
                    )
                else:
                    connection.execute("DELETE FROM worklist_orders WHERE id = ?", (number,))
            connection.execute(
                "INSERT INTO worklist_cursor (one, since) VALUES (1, ?)"
                " ON CONFLICT (one) DO UPDATE SET since = excluded.since",
                (cursor,),
            )

    def orders(self) -> list[dict[str, Any]]:
        """Every open order, by number."""
        rows: list[Any] = self._database.rows("SELECT data FROM worklist_orders ORDER BY id")
        return [json.loads(data) for (data,) in rows]
