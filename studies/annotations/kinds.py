"""The measuring tools: how many points each has, which values it tells, in which units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

LENGTHS: Final = ("mm", "px")
AREAS: Final = ("mm2", "px2")
PIXELS: Final = ("HU", "g/ml", "Bq/ml", "")
REGION_POINTS: Final = 256
"""Of a line drawn freely."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`values`: the units that each value may have, by its name; `needs`: names of which one whole
    set must be there. `points`: the fewest and the most."""

    points: tuple[int, int]
    values: dict[str, tuple[str, ...]]
    needs: tuple[tuple[str, ...], ...] = ((),)
    needs_label: bool = False


STATISTICS: Final = dict.fromkeys(("mean", "sd", "min", "max"), PIXELS)
REGION: Final = {"area": AREAS, **STATISTICS}
REGION_NEEDS: Final = (("area",), ("area", *STATISTICS))
AXES: Final = {"distance": ("mm",), "time": ("s",), "velocity": ("cm/s",), "frequency": ("Hz",)}

KINDS: Final = {
    "length": Kind(
        (2, 2),
        {"length": LENGTHS, **AXES},
        # In a spectrum or an M-mode trace the two directions measure different things.
        (("length",), *((name,) for name in AXES), *combinations(AXES, 2)),
    ),
    "bidirectional": Kind(
        (4, 4),
        {"long_axis": LENGTHS, "short_axis": LENGTHS},
        (("long_axis", "short_axis"),),
    ),
    "angle": Kind((3, 3), {"angle": ("deg",)}, (("angle",),)),
    "cobb": Kind((4, 4), {"angle": ("deg",)}, (("angle",),)),
    "ellipse": Kind((2, 2), REGION, REGION_NEEDS),
    "rectangle": Kind((2, 2), REGION, REGION_NEEDS),
    "freehand": Kind((3, REGION_POINTS), REGION, REGION_NEEDS),
    "probe": Kind(
        (1, 1),
        {"value": PIXELS, "red": ("",), "green": ("",), "blue": ("",)},
        (("value",), ("red", "green", "blue")),
    ),
    "arrow": Kind((2, 2), {}),
    "text": Kind((1, 1), {}, needs_label=True),
    "calibration": Kind((2, 2), {"length": ("mm",)}, (("length",),)),
}
CALIBRATION: Final = "calibration"


def objection(
    tool: str, points: Sequence[Any], values: Sequence[dict[str, Any]], label: str
) -> str:
    """What is wrong with a measurement of this tool, in words; "" for nothing."""
    kind = KINDS.get(tool)
    if kind is None:
        return "There is no such tool."
    fewest, most = kind.points
    if not fewest <= len(points) <= most:
        return "A measurement of this tool has another number of points."
    names = [each["name"] for each in values]
    if not any(sorted(names) == sorted(wanted) for wanted in kind.needs):
        return "A measurement of this tool has other values."
    if any(each["unit"] not in kind.values[each["name"]] for each in values):
        return "A measurement of this tool has other units."
    if kind.needs_label and not label.strip():
        return "There is no text."
    if tool == CALIBRATION and not 0 < float(values[0]["value"]) <= 2000:
        return "A calibration is a length of 2 m at most."
    return ""
