"""The cache directory's bounds, with real files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from pacs.health import cache, tasks

HOUR = 3600
SIZE = 8192


def file(path: Path, *, age: float, accessed: float | None = None) -> Path:
    """A file of 8 KiB that was written `age` seconds ago, and last read `accessed` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(SIZE))
    now = time.time()
    os.utime(path, (now - (age if accessed is None else accessed), now - age))
    return path


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_what_was_not_used_longest_goes_first(tmp_path: Path) -> None:
    for number in range(6):
        file(tmp_path / "thumbnails" / str(number), age=(10 - number) * HOUR)
    file(tmp_path / "metadata" / "7" / "read", age=90 * HOUR, accessed=2 * HOUR)
    assert cache.bound(tmp_path, 4 * SIZE) == 3 * SIZE
    assert left(tmp_path) == {"3", "4", "5", "read"}
    assert cache.bound(tmp_path, 4 * SIZE) == 0


def test_below_the_bound_nothing_goes(tmp_path: Path) -> None:
    file(tmp_path / "a", age=9000 * HOUR)
    assert cache.bound(tmp_path, SIZE) == 0
    assert left(tmp_path) == {"a"}


def test_what_is_in_use_stays_whatever_the_bound(tmp_path: Path) -> None:
    file(tmp_path / "now", age=60)
    file(tmp_path / "ahead", age=-500 * HOUR)
    file(tmp_path / "old", age=2 * HOUR)
    cache.bound(tmp_path, 0)
    assert left(tmp_path) == {"now", "ahead"}


def test_a_reader_keeps_what_it_has_open(tmp_path: Path) -> None:
    path = file(tmp_path / "a", age=5 * HOUR)
    content = path.read_bytes()
    with path.open("rb") as reader:
        start = reader.read(100)
        assert cache.bound(tmp_path, 0, now=time.time() + 2 * HOUR) == SIZE
        assert not path.exists()
        assert start + reader.read() == content


def test_drafts_of_killed_writers_go_and_folders_without_files(tmp_path: Path) -> None:
    file(tmp_path / "thumbnails" / ".1.jpg.0123", age=30 * HOUR)
    file(tmp_path / "thumbnails" / ".2.jpg.4567", age=60)
    for name, age in (("5", 2 * HOUR), ("6", 60)):
        empty = tmp_path / "metadata" / name
        empty.mkdir(parents=True)
        os.utime(empty, (time.time() - age,) * 2)
    cache.bound(tmp_path, 10 * SIZE)
    assert left(tmp_path) == {".2.jpg.4567"}
    assert {path.name for path in (tmp_path / "metadata").iterdir()} == {"6"}


def test_no_directory_is_nothing_to_do(tmp_path: Path) -> None:
    assert cache.bound(tmp_path / "absent", 0) == 0


def test_the_task_takes_the_settings(tmp_path: Path, settings: Any) -> None:
    settings.CACHE_DIR, settings.CACHE_BYTES = tmp_path, SIZE
    file(tmp_path / "old", age=3 * HOUR)
    file(tmp_path / "new", age=2 * HOUR)
    tasks.bound_cache()
    assert left(tmp_path) == {"new"}
    assert settings.CELERY_BEAT_SCHEDULE["cache"]["task"] == tasks.bound_cache.name


@pytest.mark.parametrize("limit", [0, 1])
def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path, limit: int) -> None:
    outside = file(tmp_path / "archive" / "image", age=100 * HOUR)
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "link").symlink_to(outside.parent)
    cache.bound(folder, limit)
    assert outside.exists()
