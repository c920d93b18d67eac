"""The rules of a hanging protocol: read from JSON, checked field by field.

    {
      "match":  {"modality": ["CT"], "bodyPart": ["CHEST"], "description": ["thorax"],
                 "laterality": ["L"], "priors": 1, "images": 20},
      "layout": "1x2",
      "cells":  [{"series": {"modality": ["CT"], "description": ["lung"], "without": ["scout"],
                             "bodyPart": ["CHEST"], "laterality": ["R"], "plane": "axial",
                             "images": 10},
                  "study": "prior",
                  "image": {"view": ["CC"], "laterality": "R", "at": 1, "place": "middle"},
                  "window": {"center": 40, "width": 400},
                  "facing": "left"},
                 {"same": 1, "window": {"center": -600, "width": 1500}},
                 null],
      "link":   ["scroll", "window", "view", "lines"]
    }

Everything but `layout` and `cells` may be left out. Texts are compared without case; of several,
one has to fit. `same` is the series of the viewport with that number, counted from 1; `null` leaves
one empty.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from studies.errors import PermanentError

LONGEST_RULES = 20_000
LONGEST_TEXT = 64
MOST_TEXTS = 20
MOST_PRIORS = 8
LINKS = ("scroll", "window", "view", "lines")
PLANES = ("axial", "coronal", "sagittal")
PLACES = ("first", "middle", "last")
SIDES = ("left", "right")
LATERALITIES = ("L", "R", "B")
STUDIES = ("current", "prior", *(f"prior {rank}" for rank in range(2, MOST_PRIORS + 1)))


class WrongRules(PermanentError):
    """What is wrong, in `words`: the field or the line, and what is expected there."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


Check = Callable[[str, Any], Any]


def read(text: str) -> dict[str, Any]:
    """Rules from JSON text. Raises WrongRules with the line, or the field."""
    if len(text) > LONGEST_RULES:
        raise WrongRules(f"The rules have more than {LONGEST_RULES} characters.")
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise WrongRules(f"Line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise WrongRules("The rules are nested too deeply.") from None
    return check(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise WrongRules(f"“{key}” stands twice in one place.")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise WrongRules(f"{name} is no number here.")


def check(value: Any) -> dict[str, Any]:
    """The rules themselves, where nothing is wrong with them. Raises WrongRules."""
    rules = _object("rules", value, RULES)
    for key in ("layout", "cells"):
        if key not in rules:
            raise WrongRules(f"{key}: is missing.")
    rows, columns = (int(part) for part in rules["layout"].split("x"))
    if len(rules["cells"]) != rows * columns:
        raise WrongRules(
            f"cells: {rows * columns} are needed for the layout {rules['layout']},"
            f" there are {len(rules['cells'])}."
        )
    for at, cell in enumerate(rules["cells"]):
        if cell is None:
            continue
        if "same" in cell:
            _check_same(rules["cells"], at)
    if len(json.dumps(rules)) > LONGEST_RULES:
        raise WrongRules(f"The rules have more than {LONGEST_RULES} characters.")
    return rules


def _check_same(cells: list[Any], at: int) -> None:
    where = f"cells[{at + 1}]"
    same = cells[at]["same"]
    if same > at:
        raise WrongRules(f"{where}.same: must name a viewport before this one.")
    if cells[same - 1] is None:
        raise WrongRules(f"{where}.same: viewport {same} stays empty.")
    for key in ("series", "study"):
        if key in cells[at]:
            raise WrongRules(f"{where}.{key}: cannot stand beside “same”.")


def _object(where: str, value: Any, fields: dict[str, Check]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WrongRules(f"{where}: must be an object in braces.")
    before = "" if where == "rules" else f"{where}."
    for key, each in value.items():
        if key not in fields:
            known = ", ".join(fields)
            raise WrongRules(f"{before}{key}: is not known here. Known are: {known}.")
        fields[key](f"{before}{key}", each)
    return value


def _part(fields: dict[str, Check]) -> Check:
    return lambda where, value: _object(where, value, fields)


def _one_of(*known: str) -> Check:
    def look(where: str, value: Any) -> None:
        if not isinstance(value, str) or value not in known:
            raise WrongRules(f"{where}: must be one of {', '.join(known)}.")

    return look


def _texts(where: str, value: Any) -> None:
    if not isinstance(value, list) or not value:
        raise WrongRules(f"{where}: must be a list of texts in brackets.")
    if len(value) > MOST_TEXTS:
        raise WrongRules(f"{where}: has more than {MOST_TEXTS} texts.")
    for at, each in enumerate(value, 1):
        if not isinstance(each, str) or not each.strip():
            raise WrongRules(f"{where}[{at}]: must be a text.")
        if len(each) > LONGEST_TEXT:
            raise WrongRules(f"{where}[{at}]: has more than {LONGEST_TEXT} characters.")


def _whole(least: int, most: int) -> Check:
    def look(where: str, value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise WrongRules(f"{where}: must be a whole number from {least} to {most}.")

    return look


def _number(*, positive: bool = False) -> Check:
    def look(where: str, value: Any) -> None:
        if type(value) not in (int, float) or not abs(value) < 1e9:
            raise WrongRules(f"{where}: must be a number.")
        if positive and value <= 0:
            raise WrongRules(f"{where}: must be greater than 0.")

    return look


def _window(where: str, value: Any) -> None:
    _object(where, value, {"center": _number(), "width": _number(positive=True)})
    for key in ("center", "width"):
        if key not in value:
            raise WrongRules(f"{where}.{key}: is missing.")


def _layout(where: str, value: Any) -> None:
    known = {f"{rows}x{columns}" for rows in range(1, 5) for columns in range(1, 5)}
    if not isinstance(value, str) or value not in known:
        raise WrongRules(f"{where}: must be rows x columns, from 1x1 to 4x4.")


def _cells(where: str, value: Any) -> None:
    if not isinstance(value, list):
        raise WrongRules(f"{where}: must be a list in brackets.")
    for at, cell in enumerate(value, 1):
        if cell is not None:
            _object(f"{where}[{at}]", cell, CELL)


def _links(where: str, value: Any) -> None:
    _texts(where, value)
    for at, each in enumerate(value, 1):
        _one_of(*LINKS)(f"{where}[{at}]", each)


MATCH: dict[str, Check] = {
    "modality": _texts,
    "bodyPart": _texts,
    "description": _texts,
    "laterality": _texts,
    "priors": _whole(0, MOST_PRIORS),
    "images": _whole(1, 100_000),
}
SERIES: dict[str, Check] = {
    "modality": _texts,
    "bodyPart": _texts,
    "description": _texts,
    "without": _texts,
    "laterality": _texts,
    "plane": _one_of(*PLANES),
    "images": _whole(1, 100_000),
}
IMAGE: dict[str, Check] = {
    "view": _texts,
    "laterality": _one_of(*LATERALITIES),
    "at": _whole(1, 100_000),
    "place": _one_of(*PLACES),
}
CELL: dict[str, Check] = {
    "series": _part(SERIES),
    "same": _whole(1, 16),
    "study": _one_of(*STUDIES),
    "image": _part(IMAGE),
    "window": _window,
    "facing": _one_of(*SIDES),
}
RULES: dict[str, Check] = {
    "match": _part(MATCH),
    "layout": _layout,
    "cells": _cells,
    "link": _links,
}
