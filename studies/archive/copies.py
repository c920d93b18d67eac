"""Copies here of what an archive at an object storage holds: whole files, and blocks of large ones.

A whole copy is compared with its SHA-256, which its key names, before anybody is told of it. All of
it can be fetched again, so it is kept within PACS_ARCHIVE_CACHE_BYTES.
"""

from __future__ import annotations

import errno
import hashlib
import secrets
import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from studies import cachefiles
from studies.archive.errors import ArchiveDamaged, ArchiveDown
from studies.boundedfolder import BoundedFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 2**20
IN_USE_SECONDS = 120.0

_bounded = BoundedFolder(
    lambda: _folder(),
    lambda: settings.ARCHIVE_CACHE_BYTES,
    IN_USE_SECONDS,
    # Before images are refused for want of room.
    lambda: 2 * settings.MIN_FREE_BYTES,
)


def _folder() -> Path:
    return Path(settings.ARCHIVE_CACHE_DIR)


def _whole(key: str) -> Path:
    return _folder() / "whole" / key


def _block(key: str, number: int) -> Path:
    return _folder() / "blocks" / f"{key}-{number}"


def found(key: str) -> Path | None:
    """The whole copy, if there is one."""
    path = _whole(key)
    return path if _bounded.used(path) else None


def keep(key: str, pieces: Iterable[bytes]) -> Path:
    """Write a whole copy.

    Raises ArchiveDamaged where its bytes are not those of the key, ArchiveDown where there is no
    room for it now.
    """
    path = _whole(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    digest, size = hashlib.sha256(), 0
    try:
        with draft.open("wb") as copy:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                copy.write(piece)
        if digest.hexdigest() != path.name:
            raise ArchiveDamaged("The file in the archive is not what was stored.")
        draft.replace(path)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            _bounded.make_room()
            raise ArchiveDown("There is no room here for a copy of the file.") from error
        raise
    _bounded.wrote(size)
    return path


def drop(key: str) -> None:
    """Forget what is here of a file."""
    _whole(key).unlink(missing_ok=True)
    folder = _block(key, 0).parent
    for block in folder.glob(f"{Path(key).name}-*") if folder.is_dir() else ():
        block.unlink(missing_ok=True)


class Blocks:
    """The blocks of one file. A run of missing ones is one request, the longer the more of the file
    is read from front to back."""

    LONGEST_RUN = 8

    def __init__(self, key: str, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._key = key
        self._size = size
        self._fetch = fetch
        self._next = -1
        self._ahead = 0

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the file; raises what `fetch` raises."""
        if length <= 0:
            return b""
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        in_order = first in (self._next, self._next - 1)
        self._ahead = min(self._ahead * 2 or 1, self.LONGEST_RUN) if in_order else 0
        self._next = last + 1
        held = {number: self._load(number) for number in range(first, last + 1)}
        missing = [number for number, data in held.items() if data is None]
        if missing:
            self._get(missing[0], missing[-1], held)
        joined = b"".join(data for _, data in sorted(held.items()) if data is not None)
        start = offset - first * BLOCK
        return joined[start : start + length]

    def _get(self, first: int, last: int, held: dict[int, bytes | None]) -> None:
        until = min((last + 1 + self._ahead) * BLOCK, self._size)
        data = self._fetch(first * BLOCK, until - first * BLOCK)
        for at in range(0, len(data), BLOCK):
            number, block = first + at // BLOCK, data[at : at + BLOCK]
            if number <= last:
                held[number] = block
            if _bounded.takes(len(block)):
                with suppress(OSError):  # a full disk costs fetching it again, not the answer
                    cachefiles.keep(_block(self._key, number), block)
                    _bounded.wrote(len(block))

    def _load(self, number: int) -> bytes | None:
        path = _block(self._key, number)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        _bounded.used(path)
        return data if len(data) == min(BLOCK, self._size - number * BLOCK) else None


_locks: dict[str, tuple[threading.Lock, int]] = {}
_locks_lock = threading.Lock()


@contextmanager
def one_at_a_time(key: str) -> Iterator[None]:
    """One thread of this process fetches a file; the others wait for what it brings."""
    with _locks_lock:
        lock, users = _locks.get(key, (threading.Lock(), 0))
        _locks[key] = lock, users + 1
    try:
        with lock:
            yield
    finally:
        with _locks_lock:
            lock, users = _locks[key]
            if users == 1:
                del _locks[key]
            else:
                _locks[key] = lock, users - 1
