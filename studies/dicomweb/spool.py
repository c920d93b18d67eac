"""One file of a request on its way in: small in memory, large in a file that has no name."""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from typing import IO

from django.conf import settings

from studies.dicom.payload import Payload
from studies.dicomweb.errors import TooLargeError
from studies.dicomweb.pool import Pool
from studies.services import ingest

IN_MEMORY = 8 * 2**20
HELD_IN_ALL = 192 * 2**20
"""Bytes that all requests of this process together hold in memory; above, all goes to the disk."""

BATCH = 1 << 20

_held = 0


def held() -> int:
    """Bytes of unfinished files that this process has in memory."""
    return _held


class Spool:
    """Collects bytes on the event loop; close it there.

    The file is unlinked as it is made: whatever happens to the process, nothing is left over.
    """

    def __init__(self, pool: Pool) -> None:
        self.size = 0
        self._pool = pool
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._file: IO[bytes] | None = None
        self._closed = False

    async def write(self, piece: bytes) -> None:
        """Take a piece. Raises TooLargeError above MAX_INSTANCE_BYTES."""
        global _held
        self.size += len(piece)
        if self.size > settings.MAX_INSTANCE_BYTES:
            raise TooLargeError
        self._pieces.append(piece)
        self._waiting += len(piece)
        _held += len(piece)
        in_memory = self._file is None and self._waiting <= IN_MEMORY and _held <= HELD_IN_ALL
        if self._waiting >= BATCH and not in_memory:
            await self._pool.run(self._to_disk)
            self._free()

    def _to_disk(self) -> None:
        if self._file is None:
            directory = ingest.spool_dir()
            directory.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115
        self._file.writelines(self._pieces)

    def _free(self) -> None:
        global _held
        _held -= self._waiting
        self._waiting = 0
        self._pieces = []

    def payload(self) -> Payload:
        """The whole with its SHA-256; takes time, so in a thread. Valid until `close`."""
        pieces = self._pieces
        if self._closed:  # the request was given up
            raise ValueError("closed")
        if self._file is None:
            return Payload.from_bytes(b"".join(pieces))
        self._to_disk()
        self._pieces = []
        self._file.flush()
        data = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return Payload(data, hashlib.sha256(data).hexdigest(), self._file)

    def close(self) -> None:
        """Free memory and file."""
        self._closed = True
        self._free()
        if self._file is not None:
            self._file.close()
