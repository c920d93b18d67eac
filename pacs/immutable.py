"""Tables that the database itself keeps from changing: rows are added, never altered or removed.

Application code that goes wrong, a shell and raw SQL are refused alike; only who may drop triggers
gets past, and that is what `verify_reports` and the audit trail are for.

A migration that rebuilds a table on SQLite drops its triggers: call `repair` after every `migrate`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

TRIGGER = re.compile(r"CREATE TRIGGER (\w+)")
PRESENT = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    # A trigger that somebody has switched off (tgenabled = 'D') does not guard.
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'",
}


@dataclass(frozen=True)
class Guard:
    """Statements that put triggers on a table and take them off, by the database's vendor."""

    table: str
    subject: str
    installs: dict[str, list[str]] = field(default_factory=dict)
    removes: dict[str, list[str]] = field(default_factory=dict)

    def install(self, connection: Any) -> None:
        """Create the triggers anew; ValueError for a database that has none of ours."""
        self._run(connection, self.removes)
        self._run(connection, self.installs)

    def missing(self, connection: Any) -> list[str]:
        """Names of the triggers that should be there and are not."""
        wanted = [
            found.group(1)
            for statement in self.installs[connection.vendor]
            if (found := TRIGGER.match(statement))
        ]
        with connection.cursor() as cursor:
            cursor.execute(PRESENT[connection.vendor])
            present = {name for (name,) in cursor.fetchall()}
        return [name for name in wanted if name not in present]

    def repair(self, connection: Any) -> None:
        """Create the triggers where one is missing and its table is there."""
        if self.table in connection.introspection.table_names() and self.missing(connection):
            self.install(connection)

    def remove(self, connection: Any) -> None:
        """Drop the triggers: to migrate backwards, and between tests."""
        self._run(connection, self.removes)

    def _run(self, connection: Any, statements: dict[str, list[str]]) -> None:
        if connection.vendor not in statements:
            raise ValueError(f"{self.subject} has no triggers for {connection.vendor}")
        with connection.cursor() as cursor:
            for statement in statements[connection.vendor]:
                cursor.execute(statement)


def append_only(
    table: str, prefix: str, refusal: str, *, subject: str, same: str = "id = NEW.id"
) -> Guard:
    """Refuse UPDATE, DELETE, TRUNCATE and INSERT OR REPLACE on a table.

    `prefix` names the triggers, `same` says in SQL when a row that is inserted takes the place of
    another one (INSERT OR REPLACE deletes without firing a delete trigger).
    """
    abort = f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    return Guard(
        table,
        subject,
        installs={
            "sqlite": [
                f"CREATE TRIGGER {prefix}_refuse_update BEFORE UPDATE ON {table} {abort}",
                f"CREATE TRIGGER {prefix}_refuse_delete BEFORE DELETE ON {table} {abort}",
                f"CREATE TRIGGER {prefix}_refuse_replace BEFORE INSERT ON {table}"  # noqa: S608
                f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) {abort}",
            ],
            "postgresql": [
                f"""CREATE FUNCTION {prefix}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION '{refusal}' USING ERRCODE = 'restrict_violation'; END $$""",
                f"""CREATE TRIGGER {prefix}_refuse_change BEFORE UPDATE OR DELETE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION {prefix}_refuse()""",
                f"""CREATE TRIGGER {prefix}_refuse_truncate BEFORE TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION {prefix}_refuse()""",
            ],
        },
        removes={
            "sqlite": [
                f"DROP TRIGGER IF EXISTS {prefix}_refuse_{what}"
                for what in ("update", "delete", "replace")
            ],
            "postgresql": [
                f"DROP TRIGGER IF EXISTS {prefix}_refuse_change ON {table}",
                f"DROP TRIGGER IF EXISTS {prefix}_refuse_truncate ON {table}",
                f"DROP FUNCTION IF EXISTS {prefix}_refuse()",
            ],
        },
    )
