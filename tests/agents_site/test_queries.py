"""Named queries on PostgreSQL and SQLite: read-only, typed, bounded, whatever is asked with."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agents.site import config
from agents.site.commands import CommandError
from agents.site.options import DatabaseSection, QuerySection
from agents.site.queries import MOST_BYTES, Queries
from agents.site.secret import Secret
from tests.servers.postgres import PostgresServer

ACC = {"acc": {"type": "text", "max": 60}}
TWO_LETTERS = {"type": "text", "pattern": "[A-Z]{2}"}
EVIL = [
    "' OR '1'='1",
    "A1'; DROP TABLE orders; --",
    "A1' UNION SELECT name, 1, 1, 1 FROM orders --",
    "\\'; DELETE FROM orders; --",
    ":acc",
    "%s %(acc)s {acc}",
    "A1\u02bc OR 1=1",
]


def section(name: str, sql: str, params: Any = None, **more: Any) -> QuerySection:
    return QuerySection(name=name, database="ris", sql=sql, params=params or {}, **more)


SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
}
MANY = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
    " SELECT i, printf('%0100d', i) FROM n",
    "postgresql": "SELECT i, repeat('x', 100) FROM generate_series(1, 100000) i",
}


class Ris:
    """A database with one order, and the queries on it."""

    def __init__(self, kind: str, database: DatabaseSection, connect: Any) -> None:
        self.kind = kind
        self.connect = connect
        types = "::text" if kind == "postgresql" else ""
        self.queries = Queries(
            [database],
            [
                section(
                    "order", f"SELECT *, accession{types} FROM orders WHERE accession = :acc", ACC
                ),
                section("update", "UPDATE orders SET name = 'x' WHERE accession = :acc", ACC),
                section("delete", "DELETE FROM orders RETURNING accession"),
                section("unset", "SET TRANSACTION READ WRITE"),
                section("attach", "ATTACH DATABASE '/tmp/other.db' AS other"),
                section("slow", SLOW[kind], timeout_seconds=0.5),
                section("many", MANY[kind], max_rows=5000),
                section("some", MANY[kind], max_rows=3),
                section("wrong", "SELECT nothing FROM nowhere WHERE x = :acc", ACC),
                section(
                    "typed",
                    "SELECT :whole AS whole, :part AS part, :flag AS flag, :day AS day",
                    {
                        "whole": {"type": "integer", "min": 1, "max": 10},
                        "part": {"type": "number"},
                        "flag": {"type": "yes/no"},
                        "day": {"type": "date"},
                    },
                ),
                section("form", "SELECT :code AS code", {"code": TWO_LETTERS}),
                section("function", "SELECT drop_it()"),
                section("cte", "WITH d AS (DELETE FROM orders RETURNING name) SELECT * FROM d"),
            ],
        )

    def ask(self, name: str, **params: Any) -> dict[str, Any]:
        asked = {"name": name, "params": params}
        return asyncio.run(self.queries.query(asked, lambda _done, _total: None))

    def refusal(self, name: str, **params: Any) -> tuple[str, str]:
        with pytest.raises(CommandError) as caught:
            self.ask(name, **params)
        return caught.value.code, caught.value.words

    def rows(self) -> list[tuple[str, str]]:
        with self.connect() as connection:
            return list(connection.execute("SELECT accession, name FROM orders").fetchall())


TABLE = (
    "CREATE TABLE orders (accession text, name text, born date, weight numeric, scan {bytes})",
    "INSERT INTO orders VALUES ('A1', 'Müller^José', '1970-01-31', 70.5, {value})",
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ris(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ris]:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("ris") / "ris ?mode=rwc.db"
        connection = sqlite3.connect(path)
        for statement in TABLE:
            connection.execute(statement.format(bytes="blob", value="x'00ff'"))
        connection.commit()
        connection.close()
        database = DatabaseSection(name="ris", url=f"sqlite:///{path}")
        made = Ris("sqlite", database, lambda: sqlite3.connect(path))
    else:
        server: PostgresServer = request.getfixturevalue("postgres")

        def connect() -> Any:
            return psycopg.connect(server.url, autocommit=True)

        with connect() as admin:
            admin.execute("CREATE ROLE agent LOGIN")
            for statement in TABLE:
                admin.execute(statement.format(bytes="bytea", value=r"'\x00ff'"))
            admin.execute(
                "CREATE FUNCTION drop_it() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER"
                " AS 'DELETE FROM orders; SELECT 1'"
            )
            # More than the role should have: the agent itself writes nothing.
            admin.execute("GRANT ALL ON orders TO agent")
        database = DatabaseSection(
            name="ris",
            url=f"postgresql://127.0.0.1:{server.port}/postgres",
            user="agent",
            password=Secret("any"),
        )
        made = Ris("postgresql", database, connect)
    yield made
    made.queries.close()


def test_rows(ris: Ris) -> None:
    assert ris.queries.try_database("ris") == ""
    found = ris.ask("order", acc="A1")
    assert found["columns"][:5] == ["accession", "name", "born", "weight", "scan"]
    (row,) = found["rows"]
    assert row[:3] == ["A1", "Müller^José", "1970-01-31"]
    assert float(row[3]) == 70.5
    assert row[4] == "(2 bytes)"
    assert found["truncated"] is False
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("value", EVIL)
def test_injection(ris: Ris, value: str) -> None:
    before = ris.rows()
    assert ris.ask("order", acc=value)["rows"] == []
    assert ris.rows() == before


@pytest.mark.parametrize("name", ["update", "delete", "cte", "function", "unset", "attach"])
def test_nothing_is_written(ris: Ris, name: str) -> None:
    """Not even by a query of the allow-list, nor by one that comes after it."""
    before = ris.rows()
    code, words = ris.refusal(name, **({"acc": "A1"} if name == "update" else {}))
    assert code in {"database", "query"}
    if (ris.kind, name) in {("sqlite", "update"), ("sqlite", "delete"), ("postgresql", "function")}:
        assert words == "The query failed: it would change the database."
    for again in ("delete", "function"):
        ris.refusal(again)
    assert ris.rows() == before


def test_limits(ris: Ris) -> None:
    begun = time.monotonic()
    assert ris.refusal("slow") == ("database", "The query failed: it took longer than it may.")
    assert time.monotonic() - begun < 30
    some = ris.ask("some")
    assert ([row[0] for row in some["rows"]], some["truncated"]) == ([1, 2, 3], True)
    many = ris.ask("many")
    assert many["truncated"] is True
    assert 1000 < len(many["rows"]) < 5000
    assert len(json.dumps(many)) < MOST_BYTES + 5000
    assert ris.ask("order", acc="A1")["rows"]


@pytest.mark.parametrize(
    ("name", "params", "code", "words"),
    [
        ("nobody's", {}, "query", "no query"),
        ("order", {}, "params", "acc is missing"),
        ("order", {"acc": "A1", "more": 1}, "params", "more is unknown"),
        ("order", {"acc": 1}, "params", "must be a text"),
        ("order", {"acc": ["A1"]}, "params", "must be a text"),
        ("order", {"acc": "A\0"}, "params", "must be a text"),
        ("order", {"acc": "x" * 61}, "params", "too long"),
        ("typed", {"whole": 11, "part": 1, "flag": True, "day": "2026-01-01"}, "params", "between"),
        ("typed", {"whole": True, "part": 1, "flag": True, "day": ""}, "params", "whole number"),
        ("typed", {"whole": 1, "part": "1", "flag": True, "day": ""}, "params", "a number"),
        ("typed", {"whole": 1, "part": 1, "flag": 1, "day": ""}, "params", "true or false"),
        ("typed", {"whole": 1, "part": 1, "flag": True, "day": "1.1.26"}, "params", "a date"),
        ("form", {"code": "ABC"}, "params", "not the form"),
        ("wrong", {"acc": "secret-value"}, "database", "The query failed"),
    ],
)
def test_what_is_refused(
    ris: Ris, name: str, params: dict[str, Any], code: str, words: str
) -> None:
    found = ris.refusal(name, **params)
    assert found[0] == code
    assert words in found[1]
    assert "secret-value" not in found[1]


def test_types(ris: Ris) -> None:
    if ris.kind == "postgresql":
        found = ris.ask("typed", whole=7, part=1.5, flag=True, day="2026-11-24")["rows"]
        assert found == [[7, 1.5, True, "2026-11-24"]]
    assert ris.ask("form", code="CT")["rows"] == [["CT"]]


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/none.db", "postgresql://127.0.0.1:9/none"):
        queries = Queries([DatabaseSection(name="ris", url=url)], [section("x", "SELECT 1")])
        assert queries.try_database("ris") == "the database cannot be opened"
        with pytest.raises(CommandError, match="cannot be opened"):
            asyncio.run(queries.query({"name": "x", "params": {}}, lambda _d, _t: None))
        queries.close()
    assert list(tmp_path.iterdir()) == []


CONFIG = """\
[agent]
state_dir = "/var/lib/agent"
[portal]
url = "https://pacs.example.org"
api_key_env = "AGENT_KEY"
[[databases]]
name = "ris"
url = "postgresql://ris.example.org/ris"
"""
QUERY = '[[queries]]\nname = "q"\ndatabase = "ris"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (QUERY.replace('"ris"', '"rsi"') + 'sql = "SELECT 1"', "no database 'rsi'; did you mean"),
        (QUERY + 'sql = "SELECT :acc"', "params does not describe :acc"),
        (
            QUERY + 'sql = "SELECT a::text"\nparams = {acc = {type = "text"}}',
            "sql has no :acc",
        ),
        (QUERY + 'sql = "SELECT :a"\nparams = {a = {type = "blob"}}', "a needs type"),
        (QUERY + 'sql = "SELECT :a"\nparams = {a = {type = "text", max = 0}}', "between 1 and"),
        (QUERY + 'sql = "SELECT :a"\nparams = {a = {type="text", pattern="["}}', "regular"),
        ('[[databases]]\nname = "x"\nurl = "mysql://h/d"', "must be an address"),
        ('[[databases]]\nname = "x"\nurl = "sqlite://x.db"', "sqlite:////full/path"),
        ('[[databases]]\nname = "x"\nurl = "postgresql://u:p@h/d"', "user or password"),
        ("[hl7]\nport = 2575", "needs peers"),
        ('[hl7]\npeers = ["10.1.2"]', "addresses or networks"),
        ('[worklist]\npeers = ["CT1"]', "with their addresses"),
        ('[worklist]\npeers = ["A\\\\B@10.1.2.3"]', "must be an AE title"),
    ],
)
def test_mistakes_in_agent_toml(monkeypatch: pytest.MonkeyPatch, text: str, words: str) -> None:
    monkeypatch.setenv("AGENT_KEY", "k")
    config.parse(CONFIG)
    with pytest.raises(config.ConfigError, match="line ") as caught:
        config.parse(CONFIG + text)
    assert words in str(caught.value)
