"""Ingest by one process and by two at the same time, on PostgreSQL: images of 512 KB each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.http import Row
from tests.servers import migrated
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

IMAGES = 800


def measure() -> dict[str, float]:
    """Images a second that all processes together store."""
    with (
        tempfile.TemporaryDirectory() as folder,
        PostgresServer() as postgres,
        RedisServer(Path(folder) / "redis") as redis,
    ):
        variables = {
            "PACS_DATA_DIR": f"{folder}/data",
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url,
        }
        migrated.migrate(Path(folder) / "data", DATABASE_URL=postgres.url)
        _rate(1, 10, variables)  # folders of the archive, pages of the database
        one = _rate(1, 20, variables)
        two = _rate(2, 30, variables)
    return {"workers_one_per_s": one, "workers_two_per_s": two, "workers_ratio": two / one}


def _rate(count: int, seed: int, variables: dict[str, str]) -> float:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(migrated.FOREIGN)
    }
    environment = {
        **kept,
        "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
        **variables,
    }
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.workers_child", str(IMAGES), str(seed + number)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    try:
        for child in children:
            _line(child)  # ready
        for child in children:
            _say(child)
        spans = [tuple(float(part) for part in _line(child).split()) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    began, ended = min(span[0] for span in spans), max(span[1] for span in spans)
    return IMAGES * count / (ended - began)


def _line(child: subprocess.Popen[str]) -> str:
    if child.stdout is None or not (line := child.stdout.readline()):
        raise RuntimeError("a worker ended early")
    return line


def _say(child: subprocess.Popen[str]) -> None:
    if child.stdin is not None:
        child.stdin.write("\n")
        child.stdin.flush()


def table_rows(found: dict[str, float]) -> list[Row]:
    return [
        Row("ingest by one process, PostgreSQL", "", f"{found['workers_one_per_s']:.0f}/s"),
        Row(
            "by two at once",
            "",
            f"{found['workers_two_per_s']:.0f}/s",
            f"{found['workers_ratio']:.2f} of one",
        ),
    ]
