"""Takes a finished file out of its folder: to the done folder, or to the failed one with a reason.

Nothing is ever overwritten or deleted before its copy is safe.
"""

from __future__ import annotations

import itertools
import os
import shutil
import stat
from pathlib import Path, PurePosixPath

from agents.site import roots


class MovedAwayError(Exception):
    """The file is gone or is another by now."""


def move(root: Path, inner: str, target: Path, *, size: int, mtime_ns: int) -> Path:
    """Move a file of a folder below `target`, keeping its path; its new place.

    Raises MovedAwayError, OutsideError, OSError.
    """
    pure = PurePosixPath(inner)
    destination = _free(target / pure)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with roots.open_directory(root, str(pure.parent)) as directory:
        try:
            status = os.stat(pure.name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            raise MovedAwayError from None
        if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (
            size,
            mtime_ns,
        ):
            raise MovedAwayError
        try:
            os.link(pure.name, destination, src_dir_fd=directory, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:
            _copy(root, inner, destination)
        os.unlink(pure.name, dir_fd=directory)
    _sync(destination.parent)
    return destination


def explain(moved: Path, words: str) -> None:
    """Lay the reason beside a failed file."""
    moved.with_name(moved.name + ".reason.txt").write_text(words + "\n", encoding="utf-8")


def _free(wanted: Path) -> Path:
    """A name that nothing has: `a.dcm`, `a.2.dcm`, ..."""
    for number in itertools.count(1):
        path = wanted if number == 1 else wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}")
        if not os.path.lexists(path):
            return path
    raise AssertionError("unreachable")


def _copy(root: Path, inner: str, destination: Path) -> None:
    """Across file systems: whole and on the disk before it gets its name."""
    part = destination.with_name(f".{destination.name}.part")
    try:
        with roots.open_file(root, inner) as source, part.open("wb") as copy:
            with open(source, "rb", closefd=False) as reader:
                shutil.copyfileobj(reader, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
            status = os.fstat(source)
            os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.link(part, destination)
    finally:
        part.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, roots.DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
