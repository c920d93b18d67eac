"""Parameters of rendered resources (PS3.18 8.3.5) and of WADO-URI (PS3.18 9.4), read strictly.

Names that are not known are ignored, as PS3.18 8.3.4 says; a known one that cannot be meant is 400.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from urllib.parse import parse_qsl

from studies.dicom.pixels.rendering import (
    GIF,
    JPEG,
    MAX_PIXELS,
    MAX_SIDE,
    PNG,
    QUALITY,
    Rendering,
    Voi,
)
from studies.dicomweb.errors import BadRequestError

KINDS = {"image/jpeg": JPEG, "image/png": PNG, "image/gif": GIF}
FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
ANNOTATIONS = ("patient", "technique")
PROFILES = frozenset({"no", "yes", "srgb", "adobergb", "rommrgb"})
MAX_PARAMETERS = 40
MAX_NUMBER = 1e7

Region = tuple[float, float, float | None, float | None]


def read(query_string: bytes) -> dict[str, str]:
    """Parameters by name. BadRequestError for one that comes twice or is no text."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise BadRequestError("The query cannot be read.") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise BadRequestError("A parameter comes twice.")
        found[name] = value
    return found


def rendering(values: Mapping[str, str], media_type: str, *, of_state: bool) -> Rendering:
    """What the parameters of a rendered resource ask for. `of_state`: of a presentation state,
    which decides by itself on window and region (PS3.18 8.3.5.1)."""
    viewport, region, flips = _viewport(values.get("viewport"))
    if of_state and (region is not None or any(flips)):
        raise BadRequestError("viewport of a presentation state is width,height.")
    if of_state and "window" in values:
        raise BadRequestError("A presentation state has its own window: leave window out.")
    profile = values.get("iccprofile", "no")
    if profile not in PROFILES:
        raise BadRequestError("iccprofile is one of no, yes, srgb, adobergb, rommrgb.")
    return Rendering(
        kind=KINDS[media_type],
        quality=_quality(values, "quality"),
        window=_window(values.get("window")),
        viewport=viewport,
        region=region,
        flip_horizontal=flips[0],
        flip_vertical=flips[1],
        annotation=_annotation(values.get("annotation")),
        icc=profile,
    )


def _window(text: str | None) -> Voi | None:
    if text is None:
        return None
    words = "window is centre,width,function: numbers, and linear, linear-exact or sigmoid."
    parts = text.split(",")
    if len(parts) not in (2, 3):
        raise BadRequestError(words)
    function = FUNCTIONS.get(parts[2].strip().lower() if len(parts) == 3 else "linear")
    if function is None:
        raise BadRequestError(words)
    return _voi(parts[0], parts[1], function, words)


def _voi(centre: str, width: str, function: str, words: str) -> Voi:
    window = Voi(number(centre, words), number(width, words), function)
    if window.width <= 0 or (function == "LINEAR" and window.width < 1):
        raise BadRequestError("A window's width is at least 1, above 0 for the other functions.")
    return window


def number(text: str, words: str) -> float:
    """A decimal number that is not out of all bounds."""
    try:
        found = float(text)
    except ValueError:
        raise BadRequestError(words) from None
    if "_" in text or not math.isfinite(found) or abs(found) > MAX_NUMBER:
        raise BadRequestError(words)
    return found


def _side(text: str, words: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) < 1:
        raise BadRequestError(words)
    if int(text) > MAX_SIDE:
        raise BadRequestError(f"A side of the picture is at most {MAX_SIDE} pixels.")
    return int(text)


def _viewport(
    text: str | None,
) -> tuple[tuple[int, int] | None, Region | None, tuple[bool, bool]]:
    """Size, region and flips of `vw,vh[,sx,sy,sw,sh]` (PS3.18 8.3.5.1.3)."""
    if text is None:
        return None, None, (False, False)
    words = "viewport is width,height or width,height,left,top,width,height in pixels."
    parts = [part.strip() for part in text.split(",")]
    if not 2 <= len(parts) <= 6:
        raise BadRequestError(words)
    size = _side(parts[0], words), _side(parts[1], words)
    if size[0] * size[1] > MAX_PIXELS:
        raise BadRequestError(f"A picture has at most {MAX_PIXELS} pixels.")
    if len(parts) == 2:
        return size, None, (False, False)
    given = [number(part, words) if part else None for part in parts[2:]]
    left, top, width, height = given + [None] * (4 - len(given))
    if width == 0 or height == 0:
        raise BadRequestError("The region is empty.")
    region = (
        abs(left or 0.0),
        abs(top or 0.0),
        None if width is None else abs(width),
        None if height is None else abs(height),
    )
    flips = (width is not None and width < 0, height is not None and height < 0)
    return size, None if region == (0, 0, None, None) else region, flips


def size_of(values: Mapping[str, str], default: int) -> tuple[int, int]:
    """Width and height that a thumbnail is to fit into."""
    if "viewport" not in values:
        return default, default
    size, region, flips = _viewport(values["viewport"])
    if size is None or region is not None or any(flips):
        raise BadRequestError("viewport of a thumbnail is width,height.")
    return size


def _quality(values: Mapping[str, str], name: str) -> int:
    text = values.get(name)
    if text is None:
        return QUALITY
    if not (text.isascii() and text.isdecimal()) or len(text) > 3 or not 1 <= int(text) <= 100:
        raise BadRequestError(f"{name} is a whole number from 1 to 100.")
    return int(text)


def _annotation(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    wanted = [part.strip() for part in text.split(",")]
    if not all(part in ANNOTATIONS for part in wanted):
        raise BadRequestError("annotation is patient, technique, or both with a comma.")
    return tuple(one for one in ANNOTATIONS if one in wanted)


# WADO-URI


def uri_rendering(values: Mapping[str, str], media_type: str) -> Rendering:
    """What the parameters of WADO-URI ask for (PS3.18 9.4.1.2)."""
    of_state = "presentationUID" in values
    window = None
    if ("windowCenter" in values) != ("windowWidth" in values):
        raise BadRequestError("windowCenter and windowWidth come together.")
    if "windowCenter" in values:
        if of_state:
            raise BadRequestError("A presentation state has its own window: leave it out.")
        words = "windowCenter and windowWidth are numbers."
        window = _voi(values["windowCenter"], values["windowWidth"], "LINEAR", words)
    if of_state and "region" in values:
        raise BadRequestError("A presentation state has its own region: leave it out.")
    return Rendering(
        kind=KINDS[media_type],
        quality=_quality(values, "imageQuality"),
        window=window,
        viewport=_rows_and_columns(values),
        fractions=_fractions(values.get("region")),
        annotation=_annotation(values.get("annotation")),
    )


def _rows_and_columns(values: Mapping[str, str]) -> tuple[int, int] | None:
    """The largest width and height; one that is not given does not bind."""
    sides = [
        _side(values[name], f"{name} is a whole number of pixels.") if name in values else None
        for name in ("columns", "rows")
    ]
    if sides == [None, None]:
        return None
    width, height = (MAX_SIDE if side is None else side for side in sides)
    if None not in sides and width * height > MAX_PIXELS:
        raise BadRequestError(f"A picture has at most {MAX_PIXELS} pixels.")
    return width, height


def _fractions(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    words = "region is left,top,right,bottom, each from 0 to 1."
    parts = text.split(",")
    if len(parts) != 4:
        raise BadRequestError(words)
    left, top, right, bottom = (number(part, words) for part in parts)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise BadRequestError(words)
    return left, top, right, bottom
