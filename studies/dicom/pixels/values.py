"""Numbers of a data set that may be anything."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom import Dataset
from pydicom.multival import MultiValue


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """The first value as a number, or None."""
    value = dataset.get(keyword)
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """All values as numbers; empty where one is none."""
    value = dataset.get(keyword)
    if value is None:
        return []
    try:
        if isinstance(value, Iterable) and not isinstance(value, str | bytes):
            return [float(one) for one in value]
        return [float(value)]
    except (TypeError, ValueError):
        return []
