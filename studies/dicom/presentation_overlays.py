"""Bitmaps that a presentation state shows or covers the image with (PS3.3 C.11.7, C.7.6.15)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydicom import Dataset

GROUPS = range(0x6000, 0x6020, 2)
ACTIVATION_LAYER, DATA = 0x1001, 0x3000
Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Overlay:
    """An overlay plane that is to be seen. `source`: the state's own data set, None where the
    plane is the image's."""

    group: int
    source: Dataset | None
    colour: Rgb


def overlays(
    dataset: Dataset, layer: Callable[[str], tuple[float, Rgb]], shutter: int | None
) -> tuple[Overlay, ...]:
    """The planes that a state activates, the lowest layer first. `layer(name)`: its order and
    colour; `shutter`: the group of the bitmap shutter, which is no graphic."""

    def active() -> Iterator[tuple[float, Overlay]]:
        for group in GROUPS:
            name = dataset.get((group, ACTIVATION_LAYER))
            if name is None or not name.value or group == shutter:
                continue
            order, colour = layer(str(name.value))
            own = dataset if (group, DATA) in dataset else None
            yield order, Overlay(group, own, colour)

    return tuple(one for _, one in sorted(active(), key=lambda pair: pair[0]))


def shutter_group(dataset: Dataset) -> int | None:
    """The group of the plane whose bits cover the image, or None."""
    shape = dataset.get("ShutterShape") or ()
    group = dataset.get("ShutterOverlayGroup")
    if "BITMAP" not in ({shape} if isinstance(shape, str) else set(shape)):
        return None
    return group if isinstance(group, int) and (group, DATA) in dataset else None
