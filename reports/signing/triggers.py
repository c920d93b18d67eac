"""The database triggers that keep signed versions, and keep signed reports signed."""

from __future__ import annotations

from typing import Any

from django.db import connections

from pacs.immutable import Guard, append_only

REFUSAL = "signed versions of reports never change"
STATE_REFUSAL = "a signed report does not become unsigned"

VERSIONS = append_only(
    "reports_reportversion",
    "version",
    REFUSAL,
    subject="signed versions",
    same=(
        "id = NEW.id OR verification = NEW.verification"
        " OR (report_id = NEW.report_id AND number = NEW.number)"
    ),
)

_TABLE = "reports_report"
_SIGNED = "('preliminary', 'final', 'addended', 'withdrawn')"
# What was signed stays signed; what was withdrawn stays withdrawn.
_BACKWARDS = """(
    (OLD.state = 'withdrawn' AND NEW.state <> 'withdrawn')
    OR (OLD.state = 'addended' AND NEW.state NOT IN ('addended', 'withdrawn'))
    OR (OLD.state = 'final' AND NEW.state NOT IN ('final', 'addended', 'withdrawn'))
    OR (OLD.state = 'preliminary' AND NEW.state = 'draft')
    OR (OLD.state <> 'draft' AND NEW.study_id <> OLD.study_id)
)"""
_ABORT = f"BEGIN SELECT RAISE(ABORT, '{STATE_REFUSAL}'); END"

STATES = Guard(
    _TABLE,
    "the states of reports",
    installs={
        "sqlite": [
            f"CREATE TRIGGER report_refuse_unsigning BEFORE UPDATE ON {_TABLE}"
            f" WHEN {_BACKWARDS} {_ABORT}",
            f"CREATE TRIGGER report_refuse_delete BEFORE DELETE ON {_TABLE}"
            f" WHEN OLD.state IN {_SIGNED} {_ABORT}",
            # INSERT OR REPLACE deletes without firing a delete trigger.
            f"CREATE TRIGGER report_refuse_replace BEFORE INSERT ON {_TABLE}"  # noqa: S608
            f" WHEN EXISTS (SELECT 1 FROM {_TABLE} WHERE state IN {_SIGNED} AND (id = NEW.id OR"
            " (study_id = NEW.study_id AND state <> 'withdrawn' AND NEW.state <> 'withdrawn')))"
            f" {_ABORT}",
        ],
        "postgresql": [
            f"""CREATE FUNCTION report_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION '{STATE_REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$""",
            f"""CREATE TRIGGER report_refuse_unsigning BEFORE UPDATE ON {_TABLE}
            FOR EACH ROW WHEN {_BACKWARDS} EXECUTE FUNCTION report_refuse()""",
            f"""CREATE TRIGGER report_refuse_delete BEFORE DELETE ON {_TABLE}
            FOR EACH ROW WHEN (OLD.state IN {_SIGNED}) EXECUTE FUNCTION report_refuse()""",
        ],
    },
    removes={
        "sqlite": [
            f"DROP TRIGGER IF EXISTS report_refuse_{what}"
            for what in ("unsigning", "delete", "replace")
        ],
        "postgresql": [
            f"DROP TRIGGER IF EXISTS report_refuse_unsigning ON {_TABLE}",
            f"DROP TRIGGER IF EXISTS report_refuse_delete ON {_TABLE}",
            "DROP FUNCTION IF EXISTS report_refuse()",
        ],
    },
)

GUARDS = (VERSIONS, STATES)


def after_migrate(sender: Any, using: str, **_kwargs: Any) -> None:
    """Receiver of `post_migrate`: who rebuilds a table on SQLite drops its triggers."""
    for guard in GUARDS:
        guard.repair(connections[using])
