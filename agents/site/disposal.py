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

    Where an earlier move ended before the old name was taken away, that is done now.
    Raises MovedAwayError, OutsideError, OSError.
    """
    pure = PurePosixPath(inner)
    (target / pure).parent.mkdir(parents=True, exist_ok=True)
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
        destination, is_there = _place(target / pure, root, inner, status)
        if is_there:
            os.unlink(pure.name, dir_fd=directory)
            _sync(destination.parent)
            return destination
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


def _place(wanted: Path, root: Path, inner: str, status: os.stat_result) -> tuple[Path, bool]:
    """A name that nothing has, `a.dcm`, `a.2.dcm`, ..., and False; or the one under which the file
    is there already, and True."""
    for number in itertools.count(1):
        path = wanted if number == 1 else wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}")
        try:
            there = path.lstat()
        except FileNotFoundError:
            return path, False
        if os.path.samestat(status, there) or _is_copy(path, there, root, inner, status):
            return path, True
    raise AssertionError("unreachable")


def _is_copy(
    path: Path, there: os.stat_result, root: Path, inner: str, status: os.stat_result
) -> bool:
    """Whether this is the copy that a move to another file system has made of the file."""
    if not stat.S_ISREG(there.st_mode) or there.st_dev == status.st_dev:
        return False
    if (there.st_size, there.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
        return False
    with (
        roots.open_file(root, inner) as source,
        open(source, "rb", closefd=False) as reader,
        path.open("rb") as copy,
    ):
        while ours := reader.read(1 << 20):
            if copy.read(len(ours)) != ours:
                return False
    return True


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
