"""Lookup tables of a data set: modality and VOI (PS3.3 C.11.1.1, C.11.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from studies.dicom.pixels.decode import Pixels


@dataclass(frozen=True, slots=True)
class Table:
    """`entries` for the input values from `first` on; `bits` is the depth of an entry."""

    first: int
    bits: int
    entries: NDArray[np.uint16]

    def applied(self, values: Pixels) -> Pixels:
        """Entries for values of any type, rounded; beyond the ends, the first and last entry."""
        places = np.rint(values).astype(np.int64) - self.first
        found: Pixels = self.entries[np.clip(places, 0, len(self.entries) - 1)]
        return found


def table(dataset: Dataset, keyword: str, *, signed: bool) -> Table | None:
    """The first table of a sequence, or None where it has none that can be read.

    `signed`: input values may be negative, so a first value that was written as US is an SS.
    """
    item = next(iter(dataset.get(keyword) or ()), None)
    descriptor = item.get("LUTDescriptor") if item is not None else None
    data = item.get("LUTData") if item is not None else None
    if data is None or descriptor is None or len(descriptor) != 3:
        return None
    count, first, bits = (int(value) for value in descriptor)
    entries = _entries(data, count or 1 << 16, dataset)
    if entries is None or not 1 <= bits <= 16:
        return None
    return Table(first - (1 << 16) if signed and first > 0x7FFF else first, bits, entries)


def _entries(data: object, count: int, dataset: Dataset) -> NDArray[np.uint16] | None:
    """Entries from US values, or from OW bytes: words, or a byte each where there are no more."""
    if isinstance(data, bytes):
        little = dataset.original_encoding[1] is not False
        wide = len(data) >= 2 * count
        found = np.frombuffer(data, ("<u2" if little else ">u2") if wide else "u1")
    else:
        found = np.atleast_1d(np.asarray(data, dtype=np.int64) & 0xFFFF)
    return found[:count].astype(np.uint16) if len(found) >= count else None
