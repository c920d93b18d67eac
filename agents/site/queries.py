"""`query-ris`: named queries of agent.toml, read-only, with typed parameters and limits.

The portal names a query and gives values; the SQL is the hospital's own. Values are bound, never
written into the statement, and the database is opened so that it cannot be written to.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

from agents.site.commands import CommandError, Tell
from agents.site.options import DatabaseSection, QuerySection

MOST_BYTES = 200_000
MOST_TEXT = 4000
CONNECT_SECONDS = 5


class Queries:
    """Executes the configured queries; SQLAlchemy is loaded where there are any."""

    def __init__(
        self, databases: Sequence[DatabaseSection], queries: Sequence[QuerySection]
    ) -> None:
        self._databases = {each.name: each for each in databases}
        self._queries = {each.name: each for each in queries}
        self._engines: dict[str, Any] = {}
        self._lock = threading.Lock()

    async def query(self, params: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Handler of `query-ris`: `columns`, `rows`, and whether rows were left out."""
        section = self._queries.get(params["name"])
        if section is None:
            raise CommandError("query", "This agent has no query of that name.")
        values = bound(section, params["params"])
        return await asyncio.to_thread(self._execute, section, values)

    def try_database(self, name: str) -> str:
        """Connect and select nothing; why that fails, or ""."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine(name).connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            return words_of(error)
        return ""

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()

    def _execute(self, section: QuerySection, values: dict[str, Any]) -> dict[str, Any]:
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine(section.database).connect() as connection:
                _limit(connection, section.timeout_seconds)
                try:
                    streamed = connection.execution_options(stream_results=True, max_row_buffer=200)
                    with streamed.execute(text(section.sql), values) as result:
                        if not result.returns_rows:
                            raise CommandError("query", "The query gives no rows.")
                        names: Iterable[Any] = result.keys()
                        columns = [str(name)[:200] for name in names]
                        return _shown(columns, result, section.max_rows)
                finally:
                    connection.rollback()
        except SQLAlchemyError as error:
            raise CommandError("database", f"The query failed: {words_of(error)}.") from None

    def _engine(self, name: str) -> Any:
        with self._lock:
            if name not in self._engines:
                self._engines[name] = _open(self._databases[name])
            return self._engines[name]


def _open(section: DatabaseSection) -> Any:
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.pool import NullPool

    if section.url.startswith("sqlite:"):
        path = section.url.removeprefix("sqlite:///")

        def connect() -> sqlite3.Connection:
            made = sqlite3.connect(
                f"file:{quote(path)}?mode=ro",
                uri=True,
                timeout=CONNECT_SECONDS,
                check_same_thread=False,
            )
            # mode=ro binds the file alone: not what a statement attaches.
            made.execute("PRAGMA query_only = ON")
            made.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            return made

        return create_engine("sqlite://", creator=connect, poolclass=NullPool)
    url = make_url(section.url).set(
        drivername="postgresql+psycopg",
        username=section.user or None,
        password=section.password.reveal() or None,
    )
    return create_engine(
        url,
        pool_size=2,
        max_overflow=2,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": "-c default_transaction_read_only=on",
            "application_name": "lightbox-agent",
        },
    )


def _limit(connection: Any, seconds: float) -> None:
    """Break off what takes longer."""
    if connection.dialect.name == "sqlite":
        end = time.monotonic() + seconds
        driver: sqlite3.Connection = connection.connection.driver_connection
        driver.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        return
    from sqlalchemy import text

    # The statement itself could undo the session's default; it cannot undo this (PostgreSQL:
    # "cannot set transaction read-write mode inside a read-only transaction").
    connection.execute(text("SET TRANSACTION READ ONLY"))
    connection.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))


def bound(section: QuerySection, given: dict[str, Any]) -> dict[str, Any]:
    """The values of all parameters, of their types and within bounds. Raises CommandError."""
    described = section.params or {}
    for name in sorted(given.keys() ^ described.keys()):
        word = "unknown" if name in given else "missing"
        raise CommandError("params", f"The parameter {name[:40]} is {word}.")
    return {name: _value(name, rules, given[name]) for name, rules in described.items()}


def _value(name: str, rules: dict[str, Any], value: Any) -> Any:
    kind = rules["type"]
    wrong = CommandError("params", f"{name} must be {WORDS[kind]}.")
    if kind == "date":
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            raise wrong from None
    if kind == "yes/no":
        if not isinstance(value, bool):
            raise wrong
        return value
    if kind == "text":
        if not isinstance(value, str) or "\0" in value:
            raise wrong
        if not rules.get("min", 0) <= len(value) <= rules.get("max", 64):
            raise CommandError("params", f"{name} is too long or too short.")
        if re.fullmatch(rules.get("pattern", r"(?s:.*)"), value) is None:
            raise CommandError("params", f"{name} has not the form that the query wants.")
        return value
    numeric = int if kind == "integer" else (int, float)
    if isinstance(value, bool) or not isinstance(value, numeric) or not math.isfinite(value):
        raise wrong
    low, high = rules.get("min", -(2**63)), rules.get("max", 2**63 - 1)
    if not low <= value <= high:
        raise CommandError("params", f"{name} must be between {low} and {high}.")
    return value


WORDS = {
    "text": "a text",
    "integer": "a whole number",
    "number": "a number",
    "date": "a date such as 2026-11-24",
    "yes/no": "true or false",
}


def _shown(columns: list[str], result: Any, most: int) -> dict[str, Any]:
    """Rows until one of the limits; the rest is left out and that is said."""
    rows: list[list[Any]] = []
    size = len(json.dumps(columns))
    for row in result:
        values = [_plain(value) for value in row]
        size += len(json.dumps(values)) + 2
        if len(rows) == most or size > MOST_BYTES:
            return {"columns": columns, "rows": rows, "truncated": True}
        rows.append(values)
    return {"columns": columns, "rows": rows, "truncated": False}


def _plain(value: Any) -> Any:
    """A value as JSON has it; what JSON has not, as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(bytes(value))} bytes)"
    if isinstance(value, date | datetime):
        return value.isoformat()
    text = str(value) if isinstance(value, str | Decimal | UUID) else repr(value)
    text = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return text[:MOST_TEXT]


def words_of(error: BaseException) -> str:
    """What went wrong, in words that hold no value of a row or parameter."""
    original = getattr(error, "orig", None)
    state = str(getattr(original, "sqlstate", None) or "")
    words = str(original or "")
    if state == "57014" or "interrupted" in words:
        return "it took longer than it may"
    if state == "25006" or "readonly" in words or "not authorized" in words:
        return "it would change the database"
    if "unable to open" in words or (original is not None and not state and "connect" in words):
        return "the database cannot be opened"
    if state in ("28P01", "28000"):
        return "the database refuses user or password"
    if state == "42501":
        return "the user may not read that"
    if state in ("42601", "0A000"):
        return "the SQL is wrong, or not a SELECT"
    name = type(original or error).__name__
    return f"{name} {state}".strip()
