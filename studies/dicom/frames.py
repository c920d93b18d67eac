"""Where each frame's bytes lie in the file, so that a frame is one seek and one read (PS3.5 A.4)."""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass

from studies.dicom.errors import GateError, Reason
from studies.dicom.gate import Gate, PixelLocation
from studies.dicom.header import Facts

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
    if not facts.rows or not facts.columns or not facts.bits_allocated:
        raise GateError(Reason.BAD_PIXELS)
    if not 1 <= facts.number_of_frames <= MAX_FRAMES:
        raise GateError(Reason.BAD_PIXELS)
    if facts.rows < 0 or facts.columns < 0 or not 1 <= facts.bits_allocated <= 64:
        raise GateError(Reason.BAD_PIXELS)
    if pixel.encapsulated:
        return _encapsulated(pixel, facts.number_of_frames)
    return _native(pixel, facts)


def _native(pixel: PixelLocation, facts: Facts) -> FrameIndex:
    assert facts.rows and facts.columns and facts.bits_allocated
    samples = facts.rows * facts.columns * facts.samples_per_pixel
    if facts.photometric_interpretation == "YBR_FULL_422" and facts.samples_per_pixel == 3:
        samples = facts.rows * facts.columns * 2
    bits = samples * facts.bits_allocated
    count = facts.number_of_frames
    needed = (bits * count + 7) // 8
    if pixel.length < needed:
        # A header that claims the impossible is nonsense; one that misses some bytes was cut.
        raise GateError(
            Reason.BAD_PIXELS if needed > 64 * max(pixel.length, 1) else Reason.TRUNCATED_PIXELS
        )
    if pixel.deflated or (bits % 8 and count > 1):
        return FrameIndex(count, needs_decode=True)
    return FrameIndex(count, native=(pixel.offset, (bits + 7) // 8))


def _encapsulated(pixel: PixelLocation, count: int) -> FrameIndex:
    fragments = pixel.fragments
    if len(fragments) < count:
        raise GateError(Reason.BAD_PIXELS if not fragments else Reason.TRUNCATED_PIXELS)
    if count == 1:
        return FrameIndex(1, parts=(fragments,))
    if len(fragments) == count:
        return FrameIndex(count, parts=tuple((fragment,) for fragment in fragments))
    starts = _starts(pixel, count)
    if starts is None:
        return FrameIndex(count, needs_decode=True)
    bounds = [*starts, len(fragments)]
    return FrameIndex(
        count, parts=tuple(fragments[a:b] for a, b in zip(bounds, bounds[1:], strict=False))
    )


def _starts(pixel: PixelLocation, count: int) -> list[int] | None:
    """The number of each frame's first fragment by an offset table, or None where there is none."""
    table = pixel.extended_offsets or pixel.offset_table
    if len(table) != count:
        return None
    begin = pixel.fragments[0][0] - 8
    positions = [offset - 8 - begin for offset, _ in pixel.fragments]
    starts = [bisect_left(positions, wanted) for wanted in table]
    exact = all(
        at < len(positions) and positions[at] == wanted
        for at, wanted in zip(starts, table, strict=True)
    )
    return starts if exact and starts[0] == 0 and starts == sorted(set(starts)) else None
