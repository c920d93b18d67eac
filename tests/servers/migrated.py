"""Databases with every migration applied, made once in a run and copied for whoever needs one.

Applying them takes half a minute of both cores, and dozens of tests begin with an empty portal.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
FOREIGN = ("DJANGO_", "PACS_", "DATABASE_URL", "REDIS_URL", "MONGODB_URL")

_folder: Path | None = None


def keep_in(folder: Path) -> None:
    """The folder that all processes of this run share."""
    global _folder
    _folder = folder


def is_ready() -> bool:
    """Whether there is such a folder."""
    return _folder is not None


def once(name: str, make: Callable[[Path], None]) -> Path:
    """What `make` makes at a path, by the first process that asks; the others wait."""
    assert _folder is not None, "keep_in comes first"
    _folder.mkdir(parents=True, exist_ok=True)
    place = _folder / name
    with (_folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            draft = place.with_name(f"{name}.draft")
            shutil.rmtree(draft, ignore_errors=True)
            make(draft)
            draft.rename(place)
    return place


def migrate(data_dir: Path, **variables: str) -> None:
    """`manage.py migrate` as an installation runs it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"],
        cwd=CHECKOUT,
        env={
            **kept,
            "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
            "PACS_DATA_DIR": str(data_dir),
            **variables,
        },
        check=True,
        timeout=300,
    )


def sqlite(target: Path) -> None:
    """A migrated SQLite file at `target`."""
    made = once("sqlite", migrate)
    assert not list(made.glob("lightbox.sqlite3-*")), "somebody still writes to it"
    shutil.copyfile(made / "lightbox.sqlite3", target)
