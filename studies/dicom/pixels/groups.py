"""Functional groups of enhanced objects (PS3.3 C.7.6.16)."""

from __future__ import annotations

from pydicom import Dataset


def group(dataset: Dataset, number: int, keyword: str) -> Dataset | None:
    """A functional group of frame `number` (from 1): its own, else the shared one."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    for item in (*per_frame[number - 1 : number], *shared[:1]):
        found = item.get(keyword)
        if found:
            first: Dataset = found[0]
            return first
    return None
