"""What a measurement says, in words: the same as in the viewer (reports/placing.js)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

DIGITS = {"mm": 1, "mm2": 1, "cm2": 2, "deg": 1, "g/ml": 2, "s": 3, "cm/s": 1, "px": 0, "px2": 0}
SIGNS = {"mm2": "mm²", "cm2": "cm²", "px2": "px²", "deg": "°"}
NAMES = {"sd": "SD", "long_axis": "long", "short_axis": "short"}
PLAIN = frozenset({"", "length", "angle", "value"})
"""Values whose name goes without saying."""
CM2_FROM = 100.0


def value_text(values: Iterable[Any]) -> str:
    """`12.3 mm`, `12.3 × 8.1 mm`, `area 3.21 cm², mean 40.2 HU, SD 3.1 HU, ...`."""
    known = [each for each in values if isinstance(each, dict)]
    by = {str(each.get("name") or ""): each for each in known}
    if {"red", "green", "blue"} <= by.keys():
        return "RGB " + " ".join(_plain(by[name].get("value")) for name in ("red", "green", "blue"))
    if {"long_axis", "short_axis"} <= by.keys():
        long, short = quantity(by["long_axis"]), quantity(by["short_axis"])
        return f"{long.removesuffix(' ' + str(by['long_axis'].get('unit')))} × {short}"
    return ", ".join(_words(each) for each in known)


def quantity(value: dict[str, Any]) -> str:
    """A value with its unit: `12.3 mm`, `3.21 cm²`, `45.0°`."""
    number, unit, name = value.get("value"), str(value.get("unit") or ""), value.get("name")
    if not isinstance(number, int | float) or isinstance(number, bool):
        return f"{number or ''} {unit}".strip()
    if unit == "mm2" and number >= CM2_FROM:
        number, unit = number / 100, "cm2"
    exact = 0 if float(number).is_integer() else 1
    digits = 1 if name in {"mean", "sd"} and unit != "g/ml" else DIGITS.get(unit, exact)
    sign = SIGNS.get(unit, unit)
    return f"{number:.{digits}f}{'' if sign in {'', '°'} else ' '}{sign}"


def _words(value: dict[str, Any]) -> str:
    name, said = str(value.get("name") or ""), quantity(value)
    if name == "value" and value.get("unit") == "g/ml":
        return f"SUVbw {said}"
    return said if name in PLAIN else f"{NAMES.get(name, name)} {said}"


def _plain(number: Any) -> str:
    return f"{number:g}" if isinstance(number, int | float) else str(number)


def source_note(
    values: Iterable[Any], *, at_detector: bool, calibrated_by: str = "", tool: str = ""
) -> str:
    """How the scale is known, where that must be said: `at the detector`, `calibrated by Dr A`."""
    units = {each.get("unit") for each in values if isinstance(each, dict)}
    if not units & {"mm", "mm2"} or tool == "calibration":
        return ""
    if calibrated_by:
        return f"calibrated by {calibrated_by}"
    return "at the detector" if at_detector else ""
