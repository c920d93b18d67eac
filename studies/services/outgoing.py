"""What leaves the portal as DICOM: the one place where bytes for others are made.

Everything that sends, exports or burns gets corrected images without knowing of it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, cast

from studies import archive
from studies.corrections.files import SplicedFile, overlay_of_instance, patched
from studies.dicom.errors import GateError
from studies.dicom.overlay import Patched
from studies.errors import PermanentError
from studies.models import Instance

CHUNK = 1 << 20


class FileMissing(PermanentError):
    """The archive has lost a file that its index names."""


class NotCorrectable(PermanentError):
    """A file whose corrected form cannot be made: it does not go out uncorrected."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A DICOM file (PS3.10) to be sent. `patched` is None where the original bytes go out."""

    instance: Instance
    size: int
    patched: Patched | None = None

    @property
    def is_original(self) -> bool:
        return self.patched is None

    def open(self) -> IO[bytes]:
        """The bytes as a file, from their beginning. Raises FileMissing."""
        try:
            stored = archive.open_file(self.instance.archive_key)
        except FileNotFoundError as error:
            raise FileMissing("An image is missing in the archive.") from error
        if self.patched is None:
            return stored
        before, rest_at = self.patched
        return cast("IO[bytes]", io.BufferedReader(SplicedFile(before, stored, rest_at, self.size)))

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

    def sha256(self) -> str:
        """SHA-256 of the bytes."""
        if self.patched is None:
            return self.instance.file_sha256
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()


def dicom_bytes(instance: Instance) -> Outgoing:
    """The file of an instance as it leaves the portal: corrected, or the archive's own bytes.

    Raises FileMissing, NotCorrectable.
    """
    overlay = overlay_of_instance(instance)
    if overlay is None:
        return Outgoing(instance, instance.file_size)
    try:
        made = patched(instance.archive_key, overlay)
    except FileNotFoundError as error:
        raise FileMissing("An image is missing in the archive.") from error
    except GateError as error:
        raise NotCorrectable("The corrected form of an image cannot be made.") from error
    if made == (b"", 0):
        return Outgoing(instance, instance.file_size)
    return Outgoing(instance, made.size(instance.file_size), made)
