"""The DICOM JSON Model (PS3.18 F), written straight from a data set."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from typing import Any

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from studies.dicom.gate import Gate

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
WHOLE = frozenset({"IS", "SL", "SS", "UL", "US", "SV", "UV"})
REAL = frozenset({"DS", "FL", "FD"})
UNSURE = {"US or SS": "US", "US or OW": "OW", "OB or OW": "OW", "US or SS or OW": "OW"}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def to_json(dataset: Dataset, gate: Gate | None = None, bulk_threshold: int = 1024) -> str:
    """One object as text. Pixel data and binary values above `bulk_threshold` bytes are
    BulkDataURI `bulkdata/<path>`, relative to the instance; values that no number are left out."""
    model = _model(dataset, bulk_threshold, "bulkdata/")
    if gate is not None and gate.pixel is not None:
        model["7FE00010"] = {
            "vr": "OB" if gate.pixel.encapsulated else "OW",
            "BulkDataURI": "bulkdata/7FE00010",
        }
    return _encode(model)


def _model(dataset: Dataset, threshold: int, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for element in _elements(dataset):
        tag = element.tag
        if tag.element == 0 or tag.group == 2:
            continue
        key = f"{int(tag):08X}"
        found[key] = _element(element, threshold, path + key)
    return found


def _elements(dataset: Dataset) -> Iterable[DataElement]:
    for tag in sorted(dataset.keys()):
        try:
            yield dataset[tag]
        except Exception:  # an element that pydicom cannot convert: its bytes stay in the file
            continue


def _element(element: DataElement, threshold: int, path: str) -> dict[str, Any]:
    vr = UNSURE.get(element.VR, element.VR)
    value = element.value
    if vr == "SQ":
        items = [
            _model(item, threshold, f"{path}/{number}/") for number, item in enumerate(value or (), 1)
        ]
        return {"vr": vr, "Value": items} if items else {"vr": vr}
    if vr in BINARY:
        return _binary(vr, value, threshold, path)
    if value is None or value == "":
        return {"vr": vr}
    values = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
    if vr == "PN":
        out = [_name(one) for one in values]
    elif vr == "AT":
        out = [f"{int(one):08X}" for one in values]
    elif vr in WHOLE:
        out = [_whole(one) for one in values]
    elif vr in REAL:
        out = [_real(one) for one in values]
    else:
        out = [str(one) if one not in (None, "") else None for one in values]
    if all(one is None for one in out):
        return {"vr": vr}
    return {"vr": vr, "Value": out}


def _binary(vr: str, value: Any, threshold: int, path: str) -> dict[str, Any]:
    if not isinstance(value, bytes | bytearray) or not value:
        return {"vr": vr}
    if len(value) > threshold:
        return {"vr": vr, "BulkDataURI": path}
    return {"vr": vr, "InlineBinary": base64.b64encode(value).decode()}


def _name(value: Any) -> dict[str, str] | None:
    name = value if isinstance(value, PersonName) else PersonName(str(value))
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), name.components, strict=False)
    return {key: str(text) for key, text in groups if text} or None


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _real(value: Any) -> float | int | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 1e15 else number
