"""Synthetic images and the greys that the standard wants of them, by pydicom's own functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def image(values: Any, **elements: Any) -> Dataset:
    """A greyscale image of 12 bits, or what `elements` say, with `values` as stored samples."""
    values = np.asarray(values)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.PatientID, dataset.PatientName = "OT", "GREY-1", "Grey^Levels"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20260102", "101112", "G-1"
    dataset.InstanceNumber = dataset.SeriesNumber = 1
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    if "BitsStored" in elements:
        dataset.HighBit = dataset.BitsStored - 1
    raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    return dataset


def lut(data: Any, first: int, bits: int, *, signed: bool = False) -> list[Dataset]:
    """A sequence of one lookup table."""
    item = Dataset()
    entries = np.asarray(data, dtype="<u2")
    descriptor = [len(entries) % 65536, first, bits]
    item.add_new("LUTDescriptor", "SS" if signed else "US", descriptor)
    item.add_new("LUTData", "OW", entries.tobytes())
    return [item]


def wanted(dataset: Dataset, values: Any) -> Any:
    """Greys from 0 to 255 of stored samples, as PS3.3 C.11 and pydicom say."""
    shown = apply_voi_lut(apply_modality_lut(np.asarray(values), dataset), dataset)
    if "VOILUTSequence" in dataset:
        low, high = 0.0, 2.0 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1
    else:
        low, high = output_range(dataset)
    grey = (np.asarray(shown, dtype=np.float64) - low) * (255.0 / (high - low))
    return 255.0 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey


def output_range(dataset: Dataset) -> tuple[float, float]:
    """What pydicom's windowing fills: the range of the modality LUT's output."""
    if "ModalityLUTSequence" in dataset:
        return 0.0, 2.0 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    low, high = (
        (-(2.0 ** (dataset.BitsStored - 1)), 2.0 ** (dataset.BitsStored - 1) - 1)
        if dataset.PixelRepresentation
        else (0.0, 2.0**dataset.BitsStored - 1)
    )
    if "RescaleSlope" in dataset:
        slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
        low, high = low * slope + intercept, high * slope + intercept
    return low, high


def film(bits: int = 12, entries: int = 4096) -> Any:
    """A table with the S of a film: neither linear nor even."""
    x = np.linspace(-6, 6, entries)
    return np.rint((2**bits - 1) / (1 + np.exp(-x * 1.7))).astype(np.uint16)


RAMP = np.linspace(0, 4095, 256).round().astype(np.uint16)

CASES: dict[str, dict[str, Any]] = {
    "linear": {"WindowCenter": 1800, "WindowWidth": 1500},
    "linear, width 1": {"WindowCenter": 1800, "WindowWidth": 1},
    "linear, rescaled": {
        "WindowCenter": 40, "WindowWidth": 400, "RescaleSlope": 1, "RescaleIntercept": -1024,
    },
    "linear exact": {
        "WindowCenter": 1800, "WindowWidth": 1500, "VOILUTFunction": "LINEAR_EXACT",
    },
    "linear exact, narrow": {
        "WindowCenter": 0.45, "WindowWidth": 0.3, "VOILUTFunction": "LINEAR_EXACT",
        "RescaleSlope": "0.000244", "RescaleIntercept": 0,
    },
    "sigmoid": {"WindowCenter": 2048, "WindowWidth": 1000, "VOILUTFunction": "SIGMOID"},
    "sigmoid, rescaled": {
        "WindowCenter": 300, "WindowWidth": 700, "VOILUTFunction": "SIGMOID",
        "RescaleSlope": 1, "RescaleIntercept": -1024,
    },
    "sigmoid, inverted": {
        "WindowCenter": 2048, "WindowWidth": 1000, "VOILUTFunction": "SIGMOID",
        "PhotometricInterpretation": "MONOCHROME1",
    },
    "table": {"VOILUTSequence": lut(film(), 0, 12)},
    "table over window": {
        "VOILUTSequence": lut(film(), 0, 12), "WindowCenter": 100, "WindowWidth": 50,
    },
    "table of 16 bits, part of the range": {"VOILUTSequence": lut(film(16, 1000), 1500, 16)},
    "falling table": {"VOILUTSequence": lut(film()[::-1], 0, 12)},
    "table, rescaled by one": {
        "VOILUTSequence": lut(film(), 0, 12), "RescaleSlope": 1, "RescaleIntercept": 0,
    },
    "table, from below nought": {
        "VOILUTSequence": lut(film(), -1024, 12, signed=True),
        "RescaleSlope": 1, "RescaleIntercept": -1024,
    },
    "table, inverted": {
        "VOILUTSequence": lut(film(), 0, 12), "PhotometricInterpretation": "MONOCHROME1",
    },
    "modality table": {
        "ModalityLUTSequence": lut(film(16), 0, 16), "WindowCenter": 30000, "WindowWidth": 40000,
    },
    "modality table and table": {
        "ModalityLUTSequence": lut(film(16), 0, 16),
        "VOILUTSequence": lut(film(12, 65536), 0, 12),
    },
}  # fmt: skip


def save(folder: Path, dataset: Dataset) -> Path:
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path
