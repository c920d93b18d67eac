"""`--self-test`: what a new release must do before it is tried. Reaches nothing outside itself."""

from __future__ import annotations

import importlib
import pkgutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import agents.site
from agents import protocol
from agents.site import tls
from agents.site.auditlog import AuditLog, verify
from agents.site.database import Database
from agents.site.journal import Journal


def self_test() -> None:
    """Load every module and use the parts that an update must not break. Raises what is wrong."""
    for each in pkgutil.walk_packages(agents.site.__path__, "agents.site."):
        if not each.name.endswith("__main__"):
            importlib.import_module(each.name)
    tls.context((), None)
    command = protocol.Command(
        id="1", idempotency_key="1", command="ping", ttl=60, expires_at=datetime.now(UTC)
    )
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "test.sqlite3")
        audit = AuditLog(Path(folder) / "audit.jsonl")
        try:
            heard = protocol.decode(protocol.encode(command))
            journal = Journal(database)
            good = heard == command and journal.take(command) == "accepted" and journal.begin("1")
            audit.record("self-test", detail={})
            if not good or verify(Path(folder) / "audit.jsonl"):
                raise RuntimeError("the self-test gave another result than it should")
        finally:
            audit.close()
            database.close()
