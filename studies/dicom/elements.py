"""A header's elements: the bytes that the walk has seen, or pydicom's data set for the rest.

Nearly all of a header is ASCII and small numbers, which need no parser beyond the walk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement

KEPT = 4096
"""Bytes of a value; larger ones are pydicom's."""


class Raw(NamedTuple):
    """An element as it is in the file. `VR`: None where the file states none.

    `value`: its bytes, or the items of a sequence, or None for what only pydicom can tell.
    """

    VR: str | None
    value: bytes | list[dict[int, Raw]] | None
    is_little_endian: bool


class Elements:
    """Elements by tag. `kept`: of the walk; `read`: has pydicom read the same."""

    def __init__(self, kept: Mapping[int, Raw], read: Callable[[], Dataset]) -> None:
        self._kept = kept
        self._read = read

    @classmethod
    def of(cls, dataset: Dataset) -> Elements:
        """Of a data set that pydicom has read."""
        kept = {}
        for tag in dataset.keys():  # noqa: SIM118 - iterating a data set converts its elements
            raw = dataset.get_item(tag, keep_deferred=True)
            if isinstance(raw, RawDataElement):
                kept[int(tag)] = Raw(raw.VR, raw.value or b"", raw.is_little_endian)
            else:
                kept[int(tag)] = Raw(None, None, True)
        return cls(kept, lambda: dataset)

    def __contains__(self, tag: int) -> bool:
        return tag in self._kept

    def __iter__(self) -> Iterator[tuple[int, Raw]]:
        """In the order of the tags."""
        return iter(sorted(self._kept.items()))

    def raw(self, tag: int) -> Raw | None:
        """An element's bytes; None where it is absent."""
        return self._kept.get(tag)

    @cached_property
    def dataset(self) -> Dataset:
        """What pydicom reads. Raises what `read` does."""
        return self._read()

    def element(self, tag: int) -> DataElement:
        """An element as pydicom understands it."""
        return self.dataset[tag]
