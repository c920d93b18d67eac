"""Paths that come from outside: nothing beyond the configured folders is ever opened.

Each component is opened from the one before it and none may be a link, so neither `..` nor a
symbolic link, not even one made between check and use, leads out of a folder.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from agents.site.options import FolderSection

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OutsideError(Exception):
    """A path that leads, or may lead, out of the configured folders."""


def locate(path: str, folders: Sequence[FolderSection]) -> tuple[FolderSection, str]:
    """The folder that holds a path, and the path within it ("" for the folder itself).

    Raises OutsideError.
    """
    pure = PurePosixPath(path)
    if "\0" in path or not pure.is_absolute() or ".." in pure.parts:
        raise OutsideError("The path must be a full one, without '..'.")
    holding = [each for each in folders if pure.is_relative_to(each.path)]
    if not holding:
        raise OutsideError("The path is in none of the folders that this agent was given.")
    folder = max(holding, key=lambda each: len(each.path.parts))
    inner = pure.relative_to(folder.path)
    return folder, "" if inner == PurePosixPath() else str(inner)


@contextmanager
def open_directory(root: Path, inner: str) -> Iterator[int]:
    """A descriptor of a directory in a root. Raises OutsideError, OSError."""
    descriptor = os.open(root, DIRECTORY)
    try:
        for step in PurePosixPath(inner).parts:
            following = _step(step, DIRECTORY | os.O_NOFOLLOW, descriptor)
            os.close(descriptor)
            descriptor = following
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def open_file(root: Path, inner: str) -> Iterator[int]:
    """A descriptor of a regular file in a root. Raises OutsideError, OSError."""
    pure = PurePosixPath(inner)
    with open_directory(root, str(pure.parent)) as directory:
        descriptor = _step(pure.name, FILE, directory)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OutsideError("That is not a file.")
        yield descriptor
    finally:
        os.close(descriptor)


def _step(name: str, flags: int, directory: int) -> int:
    if name in ("", ".", ".."):
        raise OutsideError("The path must name a file in the folder.")
    try:
        return os.open(name, flags, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise OutsideError("The path passes through a symbolic link.") from None
        if error.errno == errno.ENOTDIR and _is_link(name, directory):
            raise OutsideError("The path passes through a symbolic link.") from None
        raise


def _is_link(name: str, directory: int) -> bool:
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except OSError:
        return False
    return stat.S_ISLNK(mode)
