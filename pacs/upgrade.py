"""Bring database and static files up to date, within one process: each start of Django costs
seconds. What is up to date is left alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor


def migrate() -> None:
    """Apply what is missing, also to the file that channels have of their own without Redis."""
    for database in settings.DATABASES:
        app = {"app_label": "channels_lite"} if database == "channels" else {}
        if _is_behind(database, app.get("app_label")):
            call_command("migrate", **app, database=database, interactive=False, verbosity=0)


def _is_behind(database: str, app: str | None) -> bool:
    executor = MigrationExecutor(connections[database])
    # What is in conflict is told by `migrate` itself.
    if executor.loader.detect_conflicts():
        return True
    targets = [key for key in executor.loader.graph.leaf_nodes() if app in (None, key[0])]
    return bool(executor.migration_plan(targets))


def collect_static(stamp: Path) -> None:
    """`collectstatic`, unless `stamp` says that these very files were collected."""
    fingerprint = _fingerprint()
    if stamp.exists() and stamp.read_text(encoding="ascii") == fingerprint:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(fingerprint, encoding="ascii")


def _fingerprint() -> str:
    """Changes whenever collectstatic has something to do."""
    digest = hashlib.sha256((settings.BASE_DIR / "requirements.txt").read_bytes())
    for path in sorted((settings.BASE_DIR / "static" / "dist").rglob("*")):
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()
