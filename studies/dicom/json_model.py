"""The DICOM JSON Model (PS3.18 F), written straight from a data set.

Nearly every value of a header is ASCII text or a few numbers: those are written from the bytes
that pydicom read, without making pydicom's objects. All else goes through pydicom.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from bisect import insort
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring as _quoted
from typing import Any, Final

from pydicom import Dataset
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from studies.dicom.elements import Elements, Raw
from studies.dicom.errors import GateError
from studies.dicom.gate import Gate

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
WHOLE = frozenset({"IS", "SL", "SS", "UL", "US", "SV", "UV"})
REAL = frozenset({"DS", "FL", "FD"})
UNSURE = {"US or SS": "US", "US or OW": "OW", "OB or OW": "OW", "US or SS or OW": "OW"}
_MANY: Final = frozenset({"AS", "CS", "DA", "DT", "LO", "SH", "TM", "UC", "UI"})
_ONE: Final = frozenset({"LT", "ST", "UT"})
_NUMBERS: Final = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "SV": "q", "UV": "Q",
}  # fmt: skip
_EMPTY: Final = BINARY | WHOLE | REAL | _MANY | _ONE | {"AE", "AT", "PN", "SQ", "UR"}
AVAILABLE_TRANSFER_SYNTAX_UID: Final = 0x00083002
_PIXEL_VR: Final = {0x7FE00008: "OF", 0x7FE00009: "OD"}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def to_json(
    source: Elements | Dataset, gate: Gate | None = None, bulk_threshold: int = 1024
) -> str:
    """One object as text. Pixel data and binary values above `bulk_threshold` bytes are
    BulkDataURI `bulkdata/<path>`, relative to the instance; values that no number are left out.
    With `gate`, Available Transfer Syntax UID says how the instance is stored (PS3.4 C.6.1.1.5.2).

    Never raises for what a value holds; an element that cannot be read at all is left out. Raises
    GateError(UNDECODABLE) where pydicom has to read the header and cannot.
    """
    elements = source if isinstance(source, Elements) else Elements.of(source)
    own: list[str] = []
    if gate is not None:
        uid = _quoted(gate.transfer_syntax_uid)
        own.append(f'"{AVAILABLE_TRANSFER_SYNTAX_UID:08X}":{{"vr":"UI","Value":[{uid}]}}')
        if gate.pixel is not None:
            tag = gate.pixel.tag
            vr = "OB" if gate.pixel.encapsulated else _PIXEL_VR.get(tag, "OW")
            own.append(f'"{tag:08X}":{{"vr":"{vr}","BulkDataURI":"bulkdata/{tag:08X}"}}')
    return _model(elements, bulk_threshold, "bulkdata/", own)


def _is_own(tag: int) -> bool:
    """Whether an element belongs to the encoding, not to the data set."""
    return tag & 0xFFFF == 0 or tag >> 16 in (2, 0xFFFE)


def _model(elements: Elements, threshold: int, path: str, own: Sequence[str] = ()) -> str:
    """`own`: members that the archive says instead of the file."""
    parts = []
    for tag, raw in elements:
        if _is_own(tag) or (own and tag == AVAILABLE_TRANSFER_SYNTAX_UID):
            continue
        key = f"{tag:08X}"
        text = _fast(tag, raw)
        if text is None:
            try:
                text = _slow(elements.element(tag), threshold, path + key)
            except GateError:
                raise
            except Exception:  # noqa: S112 - what pydicom cannot convert stays in the file only
                continue
        parts.append(f'"{key}":{text}')
    for member in own:
        insort(parts, member)
    return "{" + ",".join(parts) + "}"


def _fast(tag: int, raw: Raw) -> str | None:
    """The element's text where its bytes say it all, else None."""
    vr, value, is_little_endian = raw
    if value is None:
        return None
    if vr is None or vr == "UN":
        entry = DicomDictionary.get(tag)
        if entry is None or (vr == "UN" and len(value) >= 0xFFFF):
            return None
        vr = entry[0]
    if not value:
        return f'{{"vr":"{vr}"}}' if vr in _EMPTY else None
    if isinstance(value, list):
        return _sequence(value)
    if vr in _MANY:
        return _strings(vr, value, many=True)
    if vr in _NUMBERS:
        return _numbers(vr, value, is_little_endian)
    if vr == "DS" or vr == "IS":
        return _decimals(vr, value)
    if vr == "PN":
        return _names(value)
    if vr in _ONE:
        return _strings(vr, value, many=False)
    return None


def _sequence(items: list[dict[int, Raw]]) -> str | None:
    """A sequence all of whose elements are fast."""
    written = []
    for item in items:
        parts = []
        for tag, raw in sorted(item.items()):
            if _is_own(tag):
                continue
            text = _fast(tag, raw)
            if text is None:
                return None
            parts.append(f'"{tag:08X}":{text}')
        written.append("{" + ",".join(parts) + "}")
    return f'{{"vr":"SQ","Value":[{",".join(written)}]}}'


def _plain(value: bytes) -> str | None:
    """ASCII without escapes reads alike in every character set (PS3.5 6.1.2)."""
    return value.decode() if value.isascii() and b"\x1b" not in value else None


def _strings(vr: str, value: bytes, *, many: bool) -> str | None:
    text = _plain(value)
    if text is None:
        return None
    text = text.rstrip(" \0")
    if not text:
        return f'{{"vr":"{vr}"}}'
    if not many or "\\" not in text:
        return f'{{"vr":"{vr}","Value":[{_quoted(text)}]}}'
    parts = [part.rstrip(" \0") for part in text.split("\\")]
    if not any(parts):
        return f'{{"vr":"{vr}"}}'
    written = ",".join(_quoted(part) if part else "null" for part in parts)
    return f'{{"vr":"{vr}","Value":[{written}]}}'


def _names(value: bytes) -> str | None:
    text = _plain(value)
    if text is None or "\\" in text or "=" in text:
        return None
    text = text.rstrip(" \0")
    return f'{{"vr":"PN","Value":[{{"Alphabetic":{_quoted(text)}}}]}}' if text else '{"vr":"PN"}'


def _numbers(vr: str, value: bytes, little: bool) -> str | None:
    code = _NUMBERS[vr]
    size = struct.calcsize(code)
    if len(value) % size:
        return None
    values = struct.unpack(f"{'<' if little else '>'}{len(value) // size}{code}", value)
    written = values if code in "HhIiqQ" else [_number(one) for one in values]
    return _listed(vr, [str(one) for one in written])


def _decimals(vr: str, value: bytes) -> str | None:
    text = _plain(value)
    if text is None:
        return None
    convert: Callable[[str], int | float | None] = _whole if vr == "IS" else _real
    parts = text.rstrip(" \0").split("\\")
    return _listed(
        vr, ["null" if (one := convert(part)) is None else _text_of(one) for part in parts]
    )


def _text_of(number: float) -> str:
    return float.__repr__(number) if isinstance(number, float) else str(number)


def _number(value: float) -> str:
    one = _real(value)
    return "null" if one is None else _text_of(one)


def _listed(vr: str, written: list[str]) -> str:
    if all(one == "null" for one in written):
        return f'{{"vr":"{vr}"}}'
    return f'{{"vr":"{vr}","Value":[{",".join(written)}]}}'


def _slow(element: DataElement, threshold: int, path: str) -> str:
    vr = UNSURE.get(element.VR, element.VR)
    value = element.value
    if vr == "SQ":
        items = [
            _model(Elements.of(item), threshold, f"{path}/{number}/")
            for number, item in enumerate(value or (), 1)
        ]
        return f'{{"vr":"SQ","Value":[{",".join(items)}]}}' if items else '{"vr":"SQ"}'
    if vr in BINARY and not isinstance(value, int | MultiValue | list):
        return _binary(vr, value, threshold, path)
    vr = "US" if vr == "OW" else vr
    if value is None or value == "":
        return f'{{"vr":"{vr}"}}'
    values = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
    out: list[Any]
    if vr == "PN":
        out = [_name(one) for one in values]
    elif vr == "AT":
        out = [f"{int(one):08X}" for one in values]
    elif vr in WHOLE:
        out = [_whole(one) for one in values]
    elif vr in REAL:
        out = [_real(one) for one in values]
    else:
        out = [None if one is None else str(one).rstrip(" \0") or None for one in values]
    if all(one is None for one in out):
        return f'{{"vr":"{vr}"}}'
    return f'{{"vr":"{vr}","Value":{_encode(out)}}}'


def _binary(vr: str, value: Any, threshold: int, path: str) -> str:
    if not isinstance(value, bytes | bytearray) or not value:
        return f'{{"vr":"{vr}"}}'
    if len(value) > threshold:
        return f'{{"vr":"{vr}","BulkDataURI":"{path}"}}'
    return f'{{"vr":"{vr}","InlineBinary":"{base64.b64encode(value).decode()}"}}'


def _name(value: Any) -> dict[str, str] | None:
    name = value if isinstance(value, PersonName) else PersonName(str(value))
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), name.components, strict=False)
    return {key: str(text) for key, text in groups if text} or None


def _whole(value: Any) -> int | None:
    """A whole number; "2.0" is one, as scanners write into IS."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        number = _real(value)
        return number if isinstance(number, int) else None


def _real(value: Any) -> float | int | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 1e15 else number
