"""What an image costs to index with 1,000,000 images in the index, against a few."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.http import Row
from tests.servers import migrated
from tests.servers.postgres import PostgresServer

MANY = 1_000_000


def measure() -> dict[str, float]:
    """On SQLite and on PostgreSQL, each in a database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = _prefixed("sqlite", _run(Path(folder) / "sqlite", ""))
        with PostgresServer() as postgres:
            found |= _prefixed("postgres", _run(Path(folder) / "postgres", postgres.url))
    return found


def _run(data_dir: Path, url: str) -> dict[str, float]:
    data_dir.mkdir()
    variables = {"DATABASE_URL": url} if url else {}
    migrated.migrate(data_dir, **variables)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(migrated.FOREIGN)
    }
    made = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale_child", str(MANY)],
        env={
            **kept,
            "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
            "PACS_DATA_DIR": str(data_dir),
            **variables,
        },
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    found: dict[str, float] = json.loads(made)
    return found


def _prefixed(name: str, found: dict[str, float]) -> dict[str, float]:
    return {f"scale_{name}_{key}": value for key, value in found.items()}


def table_rows(found: dict[str, float]) -> list[Row]:
    return [
        Row(
            f"an image into an index of 1,000,000 (of 2,000), {title}",
            "",
            f"{found[f'scale_{name}_many_ms']:.2f} ms ({found[f'scale_{name}_few_ms']:.2f})",
            f"{found[f'scale_{name}_ratio']:.2f}",
        )
        for name, title in (("sqlite", "SQLite"), ("postgres", "PostgreSQL"))
    ]
