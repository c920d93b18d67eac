"""Files that can be made again: written beside and renamed; a reader sees all or nothing."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path


def keep(path: Path, content: bytes) -> None:
    """Write a cache file. Not fsynced: losing it costs making it again."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        draft.write_bytes(content)
    except FileNotFoundError:  # the first of its folder, or housekeeping removed the empty one
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
    draft.replace(path)


def version_file(folder: Path, version: int, suffix: str) -> Path:
    """The file of one version of a thing that has a folder of its own."""
    return folder / f"{version}{suffix}"


def keep_version(folder: Path, version: int, suffix: str, content: bytes) -> None:
    """Write a version and remove those before it. Who has one of them open goes on reading it."""
    keep(version_file(folder, version, suffix), content)
    for other in folder.glob(f"[0-9]*{suffix}"):
        number = other.name.removesuffix(suffix)
        if number.isdecimal() and int(number) < version:
            with contextlib.suppress(FileNotFoundError):
                other.unlink()
