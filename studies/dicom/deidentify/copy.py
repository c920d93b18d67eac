"""One image without names, as a stream: the head made anew, the pixel data as it is stored."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import IO, Final

from pydicom import Dataset

from studies.dicom.deidentify import burned, leaks
from studies.dicom.deidentify.profile import deidentify
from studies.dicom.deidentify.pseudonyms import Pseudonyms
from studies.dicom.errors import GateError, Reason
from studies.dicom.header import read_open
from studies.dicom.syntaxes import DEFLATED_LE
from studies.dicom.walker import ITEM, SEQUENCE_END, UNDEFINED

CHUNK: Final = 1 << 20
NAMES_SOMEBODY: Final = "{keyword} would still name the patient"
HIDDEN_OVERLAY: Final = "drawings are kept in unused bits of its pixels"
LONG: Final = frozenset({b"OB", b"OW", b"OF", b"OD", b"UN", b"OL", b"OV"})


class NotGiven(Exception):
    """Why an image is not given, in `words` for people. They name nobody."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def head(file: IO[bytes], names: Pseudonyms, *, silent: bool = False) -> tuple[bytes, int]:
    """The head of the copy, and where the pixel data begins in the file.

    Raises NotGiven, GateError.
    """
    dataset, pixels_at = read_open(file)
    if why := burned.why_not(dataset, silent=silent):
        raise NotGiven(why)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None or syntax == DEFLATED_LE:
        raise NotGiven(burned.DEFLATED)
    if dataset.original_encoding != (syntax.is_implicit_VR, syntax.is_little_endian):
        raise NotGiven(burned.DEFLATED)
    if _draws_into_pixels(dataset):
        raise NotGiven(HIDDEN_OVERLAY)
    said = leaks.identifiers(dataset)
    deidentify(dataset, names)
    if keyword := leaks.leaking(dataset, said):
        raise NotGiven(NAMES_SOMEBODY.format(keyword=keyword))
    out = BytesIO()
    dataset.preamble = b"\0" * 128
    try:
        dataset.save_as(out, enforce_file_format=True)
    except Exception as error:
        raise GateError(Reason.UNDECODABLE) from error
    return out.getvalue(), pixels_at


def _draws_into_pixels(dataset: Dataset) -> bool:
    """Whether an overlay lies in the bits above the pixels' (PS3.3 C.9.2, retired)."""
    for group in range(0x6000, 0x6020, 2):
        position = dataset.get((group, 0x0102))
        if position is not None and position.value and (group, 0x3000) not in dataset:
            return True
    return False


def pixels(file: IO[bytes], at: int) -> Iterator[bytes]:
    """The pixel data element that begins there, and nothing of what follows it.

    Raises GateError where it is not whole.
    """
    file.seek(at)
    start = file.read(12)
    if not start:
        return
    big = start[:4] == b"\x7f\xe0\x00\x10"
    order = ">" if big else "<"
    if start[4:6] in LONG:
        length = struct.unpack(f"{order}I", start[8:12])[0]
    else:
        length = struct.unpack(f"{order}I", start[4:8])[0]
        start = start[:8]
        file.seek(at + 8)
    yield start
    if length != UNDEFINED:
        yield from _stretch(file, length)
        return
    while True:
        mark = file.read(8)
        if len(mark) < 8:
            raise GateError(Reason.BAD_STRUCTURE)
        group, element, size = struct.unpack("<HHI", mark)
        tag = group << 16 | element
        if tag == SEQUENCE_END:
            yield struct.pack("<HHI", group, element, 0)
            return
        if tag != ITEM or size == UNDEFINED:
            raise GateError(Reason.BAD_STRUCTURE)
        yield mark
        yield from _stretch(file, size)


def _stretch(file: IO[bytes], length: int) -> Iterator[bytes]:
    while length:
        piece = file.read(min(CHUNK, length))
        if not piece:
            raise GateError(Reason.BAD_STRUCTURE)
        length -= len(piece)
        yield piece
