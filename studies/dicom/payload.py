"""Bytes of one file on their way in: small ones in memory, large ones mapped from a spool file."""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SPOOL_ABOVE = 32 * 2**20


class TooLargeError(ValueError):
    """More bytes than the limit."""


class Payload:
    """The bytes as received and their SHA-256. Close it when done."""

    def __init__(
        self, data: bytes | mmap.mmap, sha256: str, spool: IO[bytes] | None = None
    ) -> None:
        self.data = data
        self.sha256 = sha256
        self._spool = spool

    def __len__(self) -> int:
        return len(self.data)

    def pieces(self) -> Iterator[bytes]:
        """The bytes as they are in memory; a mapped file's 1 MB at a time."""
        if isinstance(self.data, bytes):
            yield self.data
            return
        for start in range(0, len(self.data), 1 << 20):
            yield self.data[start : start + (1 << 20)]

    def open(self) -> IO[bytes]:
        """A file over the bytes, from their beginning."""
        if self._spool is not None:
            self._spool.seek(0)
            return self._spool
        return BytesIO(self.data)

    def close(self) -> None:
        """Free the spool file."""
        if isinstance(self.data, mmap.mmap):
            self.data.close()
        if self._spool is not None:
            self._spool.close()

    @classmethod
    def from_bytes(cls, data: bytes) -> Payload:
        return cls(data, hashlib.sha256(data).hexdigest())

    @classmethod
    def read(cls, chunks: Iterable[bytes], *, limit: int, spool_dir: Path) -> Payload:
        """Collect chunks up to `limit` bytes; raises TooLargeError above. Spools above 32 MB."""
        digest = hashlib.sha256()
        held: list[bytes] = []
        size = 0
        spool: IO[bytes] | None = None
        try:
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise TooLargeError
                digest.update(chunk)
                if spool is not None:
                    spool.write(chunk)
                    continue
                held.append(chunk)
                if size > SPOOL_ABOVE:
                    spool_dir.mkdir(parents=True, exist_ok=True)
                    spool = tempfile.TemporaryFile(dir=spool_dir)  # noqa: SIM115
                    spool.writelines(held)
                    held.clear()
            if spool is None:
                return cls(b"".join(held), digest.hexdigest())
            spool.flush()
            return cls(
                mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ), digest.hexdigest(), spool
            )
        except BaseException:
            if spool is not None:
                spool.close()
            raise
