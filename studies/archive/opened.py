"""Files of the archive that are read in stretches: on a disk here, or at an object storage."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO

from studies.archive import copies

# Linux: only what is in the page cache, at once, so that the event loop may read it itself.
NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)


class OpenFile:
    """A file descriptor that closes when its last user lets go."""

    __slots__ = ("descriptor", "size")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self.descriptor).st_size

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes; raises OSError where the file is shorter."""
        data = os.pread(self.descriptor, length, offset)
        if len(data) == length:
            return data
        pieces = [data]
        missing = length - len(data)
        while missing:
            piece = os.pread(self.descriptor, missing, offset + length - missing)
            if not piece:
                raise OSError("the file is shorter than its index says")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def read_cached(
        self, offset: int, length: int, before: bytes = b"", after: bytes = b""
    ) -> bytes | None:
        """The bytes, between two others, if they are in memory already, else None. Never waits for
        a disk.

        They are read to where they are sent from: BytesIO gives its buffer away without a copy.
        """
        if not NOWAIT:
            return None
        start, end = len(before), len(before) + length
        whole = BytesIO()
        whole.write(before)
        whole.seek(end)
        whole.write(after or b"\0")
        try:
            with whole.getbuffer() as buffer:
                count = os.preadv(self.descriptor, [buffer[start:end]], offset, NOWAIT)
        except OSError:
            return None
        if count != length:
            return None
        if not after:
            whole.truncate(end)
        return whole.getvalue()


class RemoteFile:
    """A file at an object storage: what is not here yet is fetched, and kept for the next reader.

    `size` is what the index says; a read of a file that has another raises OSError.
    """

    __slots__ = ("_blocks", "_key", "_local", "size")

    def __init__(self, key: str, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._key = key
        self._local: OpenFile | None = None
        self._blocks = copies.Blocks(key, size, fetch)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises OSError where the file is shorter, ArchiveDown, ..."""
        if offset + length > self.size:
            raise OSError("the file is shorter than its index says")
        if self._local is None and (path := copies.found(self._key)) is not None:
            self._local = OpenFile(path)
        if self._local is not None:
            return self._local.read(offset, length)
        return self._blocks.read(offset, length)

    def read_cached(
        self, offset: int, length: int, before: bytes = b"", after: bytes = b""
    ) -> bytes | None:
        """As OpenFile's: of the whole copy here, where there is one."""
        if self._local is None:
            return None
        return self._local.read_cached(offset, length, before, after)
