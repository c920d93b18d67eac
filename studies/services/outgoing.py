"""What leaves the portal as DICOM: the one place where bytes for others are made.

Today's corrections are none; whoever keeps them registers a function here, and everything that
sends, exports or burns gets corrected images without knowing of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from studies import archive
from studies.errors import PermanentError
from studies.models import Instance

CHUNK = 1 << 20

Correct = Callable[[Instance], bytes | None]
_corrections: list[Correct] = []


def register_correction(correct: Correct) -> None:
    """`correct(instance)` gives the corrected file, or None where nothing is to be corrected."""
    if correct not in _corrections:
        _corrections.append(correct)


def unregister_correction(correct: Correct) -> None:
    _corrections.remove(correct)


class FileMissing(PermanentError):
    """The archive has lost a file that its index names."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A DICOM file (PS3.10) to be sent. `corrected` is None where the original bytes go out."""

    instance: Instance
    size: int
    corrected: bytes | None = None

    @property
    def is_original(self) -> bool:
        return self.corrected is None

    def open(self) -> IO[bytes]:
        """The bytes as a file, from their beginning. Raises FileMissing."""
        if self.corrected is not None:
            return BytesIO(self.corrected)
        try:
            return archive.open_file(self.instance.archive_key)
        except FileNotFoundError as error:
            raise FileMissing("An image is missing in the archive.") from error

    def chunks(self) -> Iterator[bytes]:
        """The bytes in pieces of at most a megabyte."""
        with self.open() as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def md5(self) -> str:
        """MD5 of the bytes, by which Orthanc names what it holds."""
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()


def dicom_bytes(instance: Instance) -> Outgoing:
    """The file of an instance as it leaves the portal: corrected, or the archive's own bytes."""
    for correct in _corrections:
        corrected = correct(instance)
        if corrected is not None:
            return Outgoing(instance, len(corrected), corrected)
    return Outgoing(instance, instance.file_size)
