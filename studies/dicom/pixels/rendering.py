"""How a picture is wanted: the one form in which requests reach the decoder and name cache files.

Nothing here decodes; both sides of the decoder's pipe import it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

from studies.dicom.pixels import LOOK

JPEG, PNG, GIF = "JPEG", "PNG", "GIF"
QUALITY: Final = 85
MAX_SIDE: Final = 16_384
MAX_PIXELS: Final = 64_000_000


@dataclass(frozen=True, slots=True)
class Voi:
    """A window: centre and width of modality values; `function` as VOI LUT Function (0028,1056)."""

    centre: float
    width: float
    function: str = "LINEAR"


@dataclass(frozen=True, slots=True)
class Mark:
    """A measurement to be drawn: a line through points, in columns and rows of the frame whose
    origin is the outer corner of the first pixel (PS3.3 C.10.5.1.2), and words beside it. A line
    of one point is a cross; `has_ticks` puts a short stroke across each end."""

    points: tuple[tuple[float, float], ...]
    text: str = ""
    has_ticks: bool = True


@dataclass(frozen=True, slots=True)
class Rendering:
    """What is asked of a frame; the defaults are the image as it says itself, at full size.

    `largest`: the longer side in pixels, never scaled up. `viewport`: width and height that the
    picture is made to fit, up or down, its shape kept. `region`: left, top, width and height in
    pixels of the source; width and height None reach to the edge. `fractions`: left, top, right and
    bottom between 0 and 1. `annotation`: "patient", "technique". `icc`: as iccprofile of PS3.18.
    `is_inverted`: dark for bright. `marks` are drawn on the finished picture.
    """

    kind: str = JPEG
    quality: int = QUALITY
    window: Voi | None = None
    largest: int | None = None
    viewport: tuple[int, int] | None = None
    region: tuple[float, float, float | None, float | None] | None = None
    fractions: tuple[float, float, float, float] | None = None
    flip_horizontal: bool = False
    flip_vertical: bool = False
    annotation: tuple[str, ...] = ()
    icc: str = "no"
    is_inverted: bool = False
    marks: tuple[Mark, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON takes it."""
        found: dict[str, Any] = {}
        for name, default in _DEFAULTS:
            value = getattr(self, name)
            if value != default:
                found[name] = value
        if self.window is not None:
            found["window"] = (self.window.centre, self.window.width, self.window.function)
        if self.marks:
            found["marks"] = [(one.points, one.text, one.has_ticks) for one in self.marks]
        return found

    @classmethod
    def from_wire(cls, value: dict[str, Any]) -> Rendering:
        """What `to_wire` made, lists for tuples."""
        found: dict[str, Any] = {
            name: tuple(one) if isinstance(one, list) else one for name, one in value.items()
        }
        if found.get("window"):
            found["window"] = Voi(*found["window"])
        if found.get("marks"):
            found["marks"] = tuple(
                Mark(tuple((point[0], point[1]) for point in points), text, has_ticks)
                for points, text, has_ticks in found["marks"]
            )
        return cls(**found)

    def digest(self, *more: str) -> str:
        """A short name for this rendering, of today's look; `more`: what else it depends on."""
        return _digest(self, more)


_DEFAULTS = tuple((one.name, one.default) for one in fields(Rendering))


@lru_cache(maxsize=1024)
def _digest(wanted: Rendering, more: tuple[str, ...]) -> str:
    text = json.dumps([LOOK, wanted.to_wire(), more])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
