"""The table behind the search: FTS5 on SQLite, a tsvector under a GIN index on PostgreSQL.

No model: Django knows neither. Rows are keyed by the report and hold its words and its site; a
row without a report is never shown, because every query joins the reports that may be seen.
"""

from __future__ import annotations

from typing import Any

NAME = "reports_search"

SQLITE_CREATE = [
    f"""CREATE VIRTUAL TABLE IF NOT EXISTS {NAME} USING fts5(
    words, site, tokenize='unicode61 remove_diacritics 0', prefix='2 3')""",
]
POSTGRESQL_CREATE = [
    f"CREATE TABLE IF NOT EXISTS {NAME} (report_id bigint PRIMARY KEY, document tsvector NOT NULL)",
    # Without fastupdate: a search right after signing must not read a long list of pending rows.
    f"""CREATE INDEX IF NOT EXISTS report_words ON {NAME}
    USING gin (document) WITH (fastupdate = off)""",
]
DROP = [f"DROP TABLE IF EXISTS {NAME}"]

# How the table joins `reports_report`, and its key: read in its order, newest first, a search ends
# with its page, whatever else matches.
SQLITE_WHERE = [f"{NAME}.rowid = reports_report.id", f"{NAME} MATCH %s"]
# The plus keeps SQLite from asking the index once for each of these.
SQLITE_ONE_OF = f"+{NAME}.rowid IN ({{}})"
SQLITE_ORDER = [f"-{NAME}.rowid"]
POSTGRESQL_WHERE = [f"{NAME}.report_id = reports_report.id", f"{NAME}.document @@ %s::tsquery"]
POSTGRESQL_ORDER = [f"-{NAME}.report_id"]

_SQLITE_PUT = f"INSERT INTO {NAME} (rowid, words, site) VALUES (%s, %s, %s)"  # noqa: S608
_SQLITE_REMOVE = f"DELETE FROM {NAME} WHERE rowid = %s"  # noqa: S608
_POSTGRESQL_PUT = f"""INSERT INTO {NAME} (report_id, document) VALUES (%s, %s::tsvector)
    ON CONFLICT (report_id) DO UPDATE SET document = EXCLUDED.document"""  # noqa: S608
_POSTGRESQL_REMOVE = f"DELETE FROM {NAME} WHERE report_id = %s"  # noqa: S608


def create(connection: Any) -> None:
    """Make the table where it is missing."""
    _run(connection, SQLITE_CREATE if connection.vendor == "sqlite" else POSTGRESQL_CREATE)


def drop(connection: Any) -> None:
    """Remove the table and what it holds."""
    _run(connection, DROP)


def _run(connection: Any, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def put(connection: Any, rows: list[tuple[int, int, list[str]]]) -> None:
    """Hold these (report, site, words) and nothing else of those reports."""
    from reports.search import words

    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany(_SQLITE_REMOVE, [(report,) for report, _, _ in rows])
            cursor.executemany(
                _SQLITE_PUT, [(report, " ".join(found), str(site)) for report, site, found in rows]
            )
        else:
            cursor.executemany(
                _POSTGRESQL_PUT,
                [(report, words.to_tsvector(found, site)) for report, site, found in rows],
            )


def remove(connection: Any, reports: list[int]) -> None:
    """Hold nothing of these reports."""
    statement = _SQLITE_REMOVE if connection.vendor == "sqlite" else _POSTGRESQL_REMOVE
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(report,) for report in reports])
