"""Where each frame's bytes lie in the file: a frame is one seek and one read (PS3.5 A.4)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

from studies.dicom.errors import GateError, Reason
from studies.dicom.gate import Gate, PixelLocation
from studies.dicom.header import Facts
from studies.dicom.syntaxes import is_encapsulated, is_video

MAX_FRAMES = 100_000
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Frames of one instance. `needs_decode`: no byte range is a frame; a decoder must cut it."""

    count: int
    native: Span | None = None
    """Offset of the first frame and length of each."""
    parts: tuple[tuple[Span, ...], ...] = ()
    needs_decode: bool = False

    def spans(self, number: int) -> tuple[Span, ...]:
        """(offset, length) in the file, to be joined, of frame `number`, from 1. IndexError."""
        if not 1 <= number <= self.count:
            raise IndexError(number)
        if self.native is not None:
            offset, length = self.native
            return ((offset + (number - 1) * length, length),)
        return self.parts[number - 1]

    def to_json(self) -> str:
        """Compact text for the index row."""
        value: dict[str, object] = {"n": self.count}
        if self.native is not None:
            value["native"] = self.native
        if self.parts:
            value["parts"] = self.parts
        if self.needs_decode:
            value["decode"] = True
        return json.dumps(value, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> FrameIndex:
        """The index that `to_json` wrote; "" is one without frames."""
        if not text:
            return cls(0)
        value = json.loads(text)
        native = value.get("native")
        return cls(
            count=value["n"],
            native=(native[0], native[1]) if native else None,
            parts=tuple(tuple((a, b) for a, b in part) for part in value.get("parts", ())),
            needs_decode=value.get("decode", False),
        )


def index(gate: Gate, facts: Facts) -> FrameIndex:
    """The frames of a file that passed the gate. GateError where pixels and header disagree."""
    pixel = gate.pixel
    if pixel is None:
        return FrameIndex(0)
    rows, columns, bits = facts.rows or 0, facts.columns or 0, facts.bits_allocated or 0
    samples = facts.samples_per_pixel
    if not (0 < rows <= 65535 and 0 < columns <= 65535 and 0 < bits <= 64 and 0 < samples <= 64):
        raise GateError(Reason.BAD_PIXELS)
    if not 1 <= facts.number_of_frames <= MAX_FRAMES:
        raise GateError(Reason.BAD_PIXELS)
    if pixel.encapsulated != is_encapsulated(gate.transfer_syntax_uid):
        raise GateError(Reason.BAD_PIXELS)
    if pixel.encapsulated:
        return _encapsulated(pixel, facts.number_of_frames, gate.transfer_syntax_uid)
    if facts.photometric_interpretation == "YBR_FULL_422" and samples == 3:
        samples = 2  # two luminance samples share one pair of colours (PS3.3 C.7.6.3.1.2)
    return _native(pixel, rows * columns * samples * bits, facts.number_of_frames)


def _native(pixel: PixelLocation, bits: int, count: int) -> FrameIndex:
    """Frames of `bits` each, one after the other (PS3.5 8.1.1)."""
    needed = (bits * count + 7) // 8
    if pixel.length < needed:
        # A header that claims the impossible is nonsense; one that misses some bytes was cut.
        raise GateError(
            Reason.BAD_PIXELS if needed > 64 * max(pixel.length, 1) else Reason.TRUNCATED_PIXELS
        )
    if pixel.deflated or (bits % 8 and count > 1):
        return FrameIndex(count, needs_decode=True)
    return FrameIndex(count, native=(pixel.offset, (bits + 7) // 8))


def _encapsulated(pixel: PixelLocation, count: int, syntax: str) -> FrameIndex:
    fragments = pixel.fragments
    if not any(length for _, length in fragments):
        raise GateError(Reason.BAD_PIXELS)
    if is_video(syntax):  # one stream; only a player can tell its frames apart
        return FrameIndex(count, parts=(fragments,) * (count == 1), needs_decode=count > 1)
    if len(fragments) < count:
        raise GateError(Reason.BAD_PIXELS)
    if count == 1:
        return FrameIndex(1, parts=(fragments,))
    if len(fragments) == count:
        return FrameIndex(count, parts=tuple((fragment,) for fragment in fragments))
    starts = _starts(pixel, count)
    if starts is None:
        return FrameIndex(count, needs_decode=True)
    bounds = [*starts, len(fragments)]
    return FrameIndex(count, parts=tuple(fragments[a:b] for a, b in pairwise(bounds)))


def _starts(pixel: PixelLocation, count: int) -> list[int] | None:
    """The number of each frame's first fragment, or None where the file does not tell.

    By the extended or the basic offset table; where those are missing or wrong, by the fragments
    that begin as a compressed image does.
    """
    begin = pixel.fragments[0][0] - 8
    numbers = {offset - 8 - begin: at for at, (offset, _) in enumerate(pixel.fragments)}
    # Extended offsets count value bytes and items alike, as the basic ones do (PS3.3 C.7.6.3.1.8).
    for table in (pixel.extended_offsets, pixel.offset_table):
        starts = [numbers.get(wanted, -1) for wanted in table]
        if len(starts) == count and starts[0] == 0 and all(a < b for a, b in pairwise(starts)):
            return starts
    starts = [at for at, is_start in enumerate(pixel.starts_frame) if is_start]
    return starts if len(starts) == count and starts[0] == 0 else None
