"""Grey shades of stored samples: modality LUT, VOI, presentation (PS3.3 C.11, PS3.4 N.2.1).

Samples of 8 and 16 bits go through a table of every possible sample, made once for a series;
others are computed one by one, by the same function.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from studies.dicom.pixels.decode import CannotDecode, Pixels
from studies.dicom.pixels.groups import group
from studies.dicom.pixels.rendering import Voi
from studies.dicom.pixels.tables import Table, table
from studies.dicom.pixels.values import first_number
from studies.dicom.presentation import GreyState

Linear = tuple[float, float]
Range = tuple[float, float]
Shades = NDArray[np.uint8]
SHADES_KEPT = 64
STRETCH = 1 << 15
LOWEST, HIGHEST = 0.5, 99.5


@dataclass(frozen=True, slots=True)
class Plan:
    """From a stored sample to a shade. `spare`: bits above BitsStored to be cleared.

    `modality`: slope and intercept, or a table. `voi`: a window, a table, or the values that
    become black and white. `presentation`: a Presentation LUT. `padding`: samples left black.
    """

    spare: int
    modality: Linear | Table | None
    voi: Voi | Table | Range | None
    inverted: bool
    presentation: Table | None = None
    padding: Range | None = None

    @property
    def is_plain(self) -> bool:
        """Without tables: equal plans give equal shades."""
        return not any(
            isinstance(one, Table) for one in (self.modality, self.voi, self.presentation)
        )


def shades(
    dataset: Dataset,
    pixels: Pixels,
    number: int,
    window: Voi | None = None,
    state: GreyState | None = None,
) -> Shades:
    """Frame `number` as shades from 0, black, to 255. `window` counts before the image's own;
    a presentation state replaces all that the image says (PS3.4 N.2.1). CannotDecode."""
    plan = (
        _image_plan(dataset, pixels, number, window)
        if state is None
        else _state_plan(dataset, pixels, state)
    )
    if pixels.dtype.kind not in "iu" or pixels.dtype.itemsize > 2:
        if plan.voi is None:
            plan = _with_range(plan, *_percentiles(_seen(plan, pixels)))
        return _shade(plan, pixels)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    places = np.ascontiguousarray(pixels).view(f"u{pixels.dtype.itemsize}")
    if plan.voi is None:
        plan = _with_range(plan, *_counted_percentiles(plan, places, pixels.dtype.str))
    found = (
        _plain_table(plan, pixels.dtype.str)
        if plan.is_plain
        else _shade(plan, _every(pixels.dtype.str))
    )
    return _looked_up(found, places)


def _image_plan(dataset: Dataset, pixels: Pixels, number: int, window: Voi | None) -> Plan:
    modality = _modality(dataset, number)
    voi: Voi | Table | None = window
    if window is None and "VOILUTSequence" in dataset:
        # PS3.3 C.11.2.1: where a table and windows are offered, the table.
        lowest = _transformed(modality, np.asarray([pixels.min(), pixels.max()])).min()
        voi = table(dataset, "VOILUTSequence", signed=bool(lowest < 0))
    return Plan(
        spare=_spare_bits(dataset, pixels),
        modality=modality,
        voi=voi or own_window(group(dataset, number, "FrameVOILUTSequence") or dataset),
        inverted=dataset.get("PhotometricInterpretation") == "MONOCHROME1",
        padding=_padding(dataset),
    )


def _state_plan(dataset: Dataset, pixels: Pixels, state: GreyState) -> Plan:
    """What a state does not say is the identity, not what the image says (PS3.4 N.2.1)."""
    spare = _spare_bits(dataset, pixels)
    modality = _state_modality(dataset, state)
    ends = _transformed(modality, _ends(dataset, pixels))
    voi = _state_voi(state, signed=bool(ends.min() < 0))
    return Plan(
        spare=spare,
        modality=modality,
        voi=voi or (float(ends.min()), float(ends.max())),
        inverted=state.is_inverse,
        presentation=table(state.lut, "PresentationLUTSequence", signed=False),
        padding=_padding(dataset),
    )


def _state_modality(dataset: Dataset, state: GreyState) -> Linear | Table | None:
    signed = dataset.get("PixelRepresentation") == 1
    found = table(state.modality, "ModalityLUTSequence", signed=signed)
    return found or _linear(state.modality)


def _state_voi(state: GreyState, *, signed: bool) -> Voi | Table | None:
    if state.voi is None:
        return None
    return table(state.voi, "VOILUTSequence", signed=signed) or own_window(state.voi)


def _ends(dataset: Dataset, pixels: Pixels) -> Pixels:
    """The smallest and largest sample that BitsStored can hold."""
    bits = int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 16)
    if pixels.dtype.kind == "f":
        return np.asarray([pixels.min(), pixels.max()])
    if dataset.get("PixelRepresentation") == 1:
        return np.asarray([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1])
    return np.asarray([0, 2**bits - 1])


# Frames less their mask


def modality_values(dataset: Dataset, pixels: Pixels, state: GreyState) -> Pixels:
    """Samples as the values that a presentation state makes of them, before its VOI."""
    return _transformed(
        _state_modality(dataset, state), _cleared(pixels, _spare_bits(dataset, pixels))
    )


def difference_shades(values: Pixels, dataset: Dataset, pixels: Pixels, state: GreyState) -> Shades:
    """Shades of differences of modality values; without a VOI, of all differences that may be."""
    ends = _transformed(_state_modality(dataset, state), _ends(dataset, pixels))
    span = float(ends.max() - ends.min())
    return _shade(
        Plan(
            spare=0,
            modality=None,
            voi=_state_voi(state, signed=True) or (-span, span),
            inverted=state.is_inverse,
            presentation=table(state.lut, "PresentationLUTSequence", signed=False),
        ),
        values,
    )


# The transformations, of arrays of any shape


def _shade(plan: Plan, pixels: Pixels) -> Shades:
    values = _transformed(plan.modality, _cleared(pixels, plan.spare))
    voi = plan.voi
    if isinstance(voi, Table):
        shown = voi.applied(values) * (255.0 / (2**voi.bits - 1))
    elif isinstance(voi, Voi):
        shown = windowed(values.astype(np.float32), voi)
    else:
        low, high = voi or (0.0, 255.0)
        shown = (values.astype(np.float32) - low) * (255.0 / max(high - low, 1e-30))
    if plan.presentation is not None:
        last = len(plan.presentation.entries) - 1
        shown = plan.presentation.applied(np.clip(shown, 0, 255) * (last / 255.0))
        shown = shown * (255.0 / (2**plan.presentation.bits - 1))
    grey: Shades = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
    if plan.inverted:
        grey = 255 - grey
    if plan.padding is not None:
        low, high = plan.padding
        grey[(pixels >= low) & (pixels <= high)] = 0
    return grey


def windowed(values: Pixels, window: Voi) -> Pixels:
    """Values as 0 to 255 and beyond (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
    centre, width = window.centre, window.width
    if window.function == "SIGMOID":  # PS3.3 C.11.2.1.3.1
        power = np.clip(-4.0 * (values - centre) / width, -60, 60)
        sigmoid: Pixels = 255.0 / (1.0 + np.exp(power))
        return sigmoid
    if window.function == "LINEAR_EXACT" or width < 1:  # PS3.3 C.11.2.1.3.2
        low, high = centre - width / 2, centre + width / 2
    else:  # PS3.3 C.11.2.1.2.1
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
        if width == 1:
            return np.where(values > low, np.float32(255), np.float32(0))
    scaled: Pixels = (values - low) * (255.0 / max(high - low, 1e-30))
    return scaled


def _cleared(pixels: Pixels, spare: int) -> Pixels:
    return (pixels << spare) >> spare if spare else pixels


def _transformed(modality: Linear | Table | None, pixels: Pixels) -> Pixels:
    if modality is None:
        return pixels
    if isinstance(modality, Table):
        return modality.applied(pixels)
    slope, intercept = modality
    return pixels.astype(np.float64) * slope + intercept


# Tables of every sample


def _looked_up(shades_of: Shades, places: NDArray[np.unsignedinteger[Any]]) -> Shades:
    """The shade at each place, in stretches whose places stay in the processor's cache."""
    found = np.empty(places.shape, np.uint8)
    flat, out = places.ravel(), found.ravel()
    for start in range(0, flat.size, STRETCH):
        some = flat[start : start + STRETCH].astype(np.intp)
        shades_of.take(some, mode="clip", out=out[start : start + STRETCH])
    return found


@lru_cache(maxsize=2)
def _every(kind: str) -> Pixels:
    """Every sample of a type, at the place of its bits read as unsigned."""
    dtype = np.dtype(kind)
    found: Pixels = np.arange(1 << (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}").view(dtype)
    found.setflags(write=False)
    return found


@lru_cache(maxsize=SHADES_KEPT)
def _plain_table(plan: Plan, kind: str) -> Shades:
    return _shade(plan, _every(kind))


# Where no window is given


def _with_range(plan: Plan, low: float, high: float) -> Plan:
    return Plan(plan.spare, plan.modality, (low, high), plan.inverted, None, plan.padding)


def _seen(plan: Plan, pixels: Pixels) -> Pixels:
    values = _transformed(plan.modality, _cleared(pixels, plan.spare)).ravel()
    if plan.padding is not None:
        shown = (pixels < plan.padding[0]) | (pixels > plan.padding[1])
        if shown.any():
            values = values[shown.ravel()]
    return values[np.isfinite(values)]


def _percentiles(seen: Pixels) -> Range:
    if seen.size == 0:
        raise CannotDecode("the image is empty")
    low, high = np.percentile(seen, (LOWEST, HIGHEST))
    if low == high:
        low, high = seen.min(), seen.max()
    return float(low), float(high)


def _counted_percentiles(plan: Plan, places: Pixels, kind: str) -> Range:
    """The same by counting, which is faster than sorting."""
    every = _every(kind)
    counts = np.bincount(places.ravel(), minlength=len(every))
    if plan.padding is not None:
        padded = (every >= plan.padding[0]) & (every <= plan.padding[1])
        if counts[~padded].any():
            counts[padded] = 0
    used = np.flatnonzero(counts)
    values = _transformed(plan.modality, _cleared(every[used], plan.spare)).astype(np.float64)
    order = np.argsort(values, kind="stable")
    values, last = values[order], np.cumsum(counts[used][order])

    def percentile(percent: float) -> float:
        rank = percent / 100 * (last[-1] - 1)
        below, above = (
            values[np.searchsorted(last, place, side="right")]
            for place in (np.floor(rank), np.ceil(rank))
        )
        return float(below + (above - below) * (rank - np.floor(rank)))

    low, high = percentile(LOWEST), percentile(HIGHEST)
    return (low, high) if low < high else (float(values[0]), float(values[-1]))


# What a data set says


def _spare_bits(dataset: Dataset, pixels: Pixels) -> int:
    """Bits above BitsStored, where old devices kept overlays (PS3.5 8.1.2)."""
    stored, allocated = dataset.get("BitsStored"), dataset.get("BitsAllocated")
    if pixels.dtype.kind not in "iu" or not isinstance(stored, int) or allocated not in (8, 16, 32):
        return 0
    spare: int = pixels.dtype.itemsize * 8 - stored
    if stored < 1 or spare < 1 or dataset.get("HighBit", stored - 1) != stored - 1:
        return 0
    return spare


def _modality(dataset: Dataset, number: int) -> Linear | Table | None:
    """What the samples mean (PS3.3 C.11.1); enhanced images say it per frame (C.7.6.16.2.9)."""
    source = group(dataset, number, "PixelValueTransformationSequence")
    if source is not None:
        return _linear(source)
    found = table(dataset, "ModalityLUTSequence", signed=dataset.get("PixelRepresentation") == 1)
    return found or _linear(dataset)


def _linear(source: Dataset) -> Linear | None:
    slope, intercept = (
        first_number(source, keyword) for keyword in ("RescaleSlope", "RescaleIntercept")
    )
    return None if slope is None and intercept is None else (slope or 1.0, intercept or 0.0)


def own_window(source: Dataset) -> Voi | None:
    """The first window of a data set, or None where it has none that makes sense."""
    centre, width = (first_number(source, keyword) for keyword in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width <= 0:
        return None
    return Voi(centre, width, str(source.get("VOILUTFunction") or "LINEAR").upper())


def _padding(dataset: Dataset) -> Range | None:
    value = dataset.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((value, limit if isinstance(limit, int) else value))
    return float(low), float(high)
