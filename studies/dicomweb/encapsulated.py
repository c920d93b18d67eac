"""Documents within instances (PS3.3 C.24)."""

from __future__ import annotations

import mmap

from studies import archive
from studies.dicom import header
from studies.dicom.errors import GateError
from studies.dicomweb.errors import NotFoundError

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"


def pdf(archive_key: str) -> bytes:
    """The PDF of an encapsulated PDF instance, without the padding. NotFoundError where it is
    none."""
    with (
        archive.local_path(archive_key).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        try:
            dataset = header.read(data)
            value, length = dataset.get("EncapsulatedDocument"), None
            length = dataset.get("EncapsulatedDocumentLength")
        except GateError:
            raise NotFoundError from None
    if not isinstance(value, bytes) or b"%PDF-" not in value[:1024]:
        raise NotFoundError("There is no PDF in this instance.")
    if isinstance(length, int) and len(value) - 1 <= length <= len(value):
        return value[:length]
    return value[:-1] if value.endswith(b"\0") else value
