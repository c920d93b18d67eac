"""Values of content items in words (PS3.3 C.18). Nothing raises: what is strange is left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydicom import Dataset
from pydicom.valuerep import PersonName

from studies.dicom.charset import display_name
from studies.dicom.pixels.values import numbers

WAVEFORM: Final = "waveform"
KINDS_OF_REFERENCE: Final = {"IMAGE": "image", "COMPOSITE": "object", "WAVEFORM": WAVEFORM}
MAX_NUMBERS: Final = 60
DATE = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d))?)?")
TIME = re.compile(r"(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?")
OFFSET = re.compile(r"[+-]\d{4}$")
NEVER_SHOWN = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127, 0xFFFE, 0xFFFF])
NO_UNITS = frozenset({"1", "{0:1}"})
UNNAMED_UNITS = re.compile(r"\{.*\}")


@dataclass(frozen=True, slots=True)
class Code:
    """A coded entry (PS3.3 8.1); all empty where there is none."""

    meaning: str = ""
    value: str = ""
    scheme: str = ""

    def __bool__(self) -> bool:
        return bool(self.meaning or self.value)

    @property
    def identity(self) -> str:
        """Value and scheme, such as `T-D3000, SRT`."""
        return ", ".join(part for part in (self.value, self.scheme) if part)


@dataclass(frozen=True, slots=True)
class Reference:
    """What an item points at, `words` for what it is. Study and series are empty where the report
    does not say them; no `frames` means all of them."""

    words: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    frames: tuple[int, ...]


def items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence; none where it is no sequence."""
    found = _get(dataset, keyword)
    if found is None or isinstance(found, str | bytes):
        return ()
    try:
        return [one for one in found if isinstance(one, Dataset)]
    except TypeError:
        return ()


def text(dataset: Dataset, keyword: str) -> str:
    """A value as text without controls, several with commas."""
    value = _get(dataset, keyword)
    if value is None or isinstance(value, bytes):
        return ""
    if isinstance(value, str | PersonName) or not hasattr(value, "__iter__"):
        return clean(str(value))
    return ", ".join(clean(str(one)) for one in value)


def clean(words: str) -> str:
    """Text without controls and lone surrogates; lines end with a line feed."""
    words = words.replace("\r\n", "\n").replace("\r", "\n").translate(NEVER_SHOWN)
    return words.encode("utf-8", "replace").decode().strip()


def _get(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except Exception:  # pydicom decodes when asked, and strange bytes fail in many ways
        return None


def name(dataset: Dataset, keyword: str) -> str:
    """A person's name: its groups, each as family, given, with a slash between them."""
    groups = (display_name(group) for group in text(dataset, keyword).split("="))
    return " / ".join(group for group in groups if group)


def code(dataset: Dataset, keyword: str) -> Code:
    """The first coded entry of a sequence."""
    return next(iter(codes(dataset, keyword)), Code())


def codes(dataset: Dataset, keyword: str) -> list[Code]:
    """The coded entries of a sequence; a long or URN value stands for a short one."""
    found = []
    for item in items(dataset, keyword):
        values = (text(item, k) for k in ("CodeValue", "LongCodeValue", "URNCodeValue"))
        value = next((one for one in values if one), "")
        found.append(Code(text(item, "CodeMeaning") or value, value, _scheme(item)))
    return found


def _scheme(item: Dataset) -> str:
    return text(item, "CodingSchemeDesignator")


def moment(dataset: Dataset, keyword: str) -> str:
    """A date, time or both (DA, TM, DT) as ISO 8601 has them, or the text where it is none."""
    return _moment(
        text(dataset, keyword), is_time=keyword.endswith("Time") and "Date" not in keyword
    )


def _moment(words: str, *, is_time: bool) -> str:
    offset = OFFSET.search(words)
    bare = words[: offset.start()] if offset else words
    date, time = ("", bare) if is_time else (bare[:8], bare[8:])
    parts = []
    for piece, pattern, separator in ((date, DATE, "-"), (time, TIME, ":")):
        if not piece:
            continue
        found = pattern.fullmatch(piece)
        if found is None:
            return words
        whole = [group for group in found.groups()[:3] if group]
        fraction = found[4] if pattern is TIME and found[4] and int(found[4]) else ""
        parts.append(separator.join(whole) + (f".{fraction}" if fraction else ""))
    if offset:
        parts.append(f"UTC{offset[0][:3]}:{offset[0][3:]}")
    return " ".join(parts)


def whole_numbers(dataset: Dataset, keyword: str) -> list[int]:
    """All values as whole numbers above zero, at most MAX_NUMBERS."""
    found = numbers(dataset, keyword)[:MAX_NUMBERS]
    return [int(number) for number in found if 1 <= number < 1e9]


def value_of(item: Dataset, kind: str) -> tuple[tuple[str, ...], Code | None]:
    """The value in lines, and the code that it is, where it is one."""
    if kind == "CODE":
        found = code(item, "ConceptCodeSequence")
        return ((found.meaning,) if found else ()), found
    if kind == "NUM":
        return _measured(item)
    if kind in SIMPLE:
        words = SIMPLE[kind](item)
        return tuple(line.rstrip() for line in words.split("\n")) if words else (), None
    if kind in {"SCOORD", "SCOORD3D"}:
        return (_coordinates(item),), None
    if kind == "TCOORD":
        return (_times(item),), None
    if kind in {"", "CONTAINER", *KINDS_OF_REFERENCE}:
        return (), None
    return (f"A value of the kind {kind[:16]}, which is not shown.",), None


SIMPLE = {
    "TEXT": lambda item: text(item, "TextValue"),
    "PNAME": lambda item: name(item, "PersonName"),
    "DATE": lambda item: moment(item, "Date"),
    "TIME": lambda item: moment(item, "Time"),
    "DATETIME": lambda item: moment(item, "DateTime"),
    "UIDREF": lambda item: text(item, "UID"),
}


def _measured(item: Dataset) -> tuple[tuple[str, ...], Code | None]:
    """A number with its units, and the units' code; why there is none, where there is none."""
    measured = next(iter(items(item, "MeasuredValueSequence")), None)
    number = text(measured, "NumericValue") if measured is not None else ""
    qualifier = code(item, "NumericValueQualifierCodeSequence").meaning
    if measured is None or not number:
        return ((qualifier or "no value"),), None
    units = code(measured, "MeasurementUnitsCodeSequence")
    shown = units.meaning
    if units.scheme == "UCUM":
        # UCUM's values are what is written behind a number, unless they stand in braces.
        shown = units.meaning if UNNAMED_UNITS.fullmatch(units.value) else units.value
    if units.value in NO_UNITS or shown.lower() in {"no units", "unity"}:
        shown = ""
    words = f"{number} {shown}".strip()
    return (f"{words} ({qualifier})" if qualifier else words,), units


def _coordinates(item: Dataset) -> str:
    """A region: its shape and its points (PS3.3 C.18.6, C.18.9)."""
    return _listed(text(item, "GraphicType").lower(), numbers(item, "GraphicData"))


def _times(item: Dataset) -> str:
    """A stretch of time: its kind and where it is (PS3.3 C.18.7)."""
    kind = text(item, "TemporalRangeType").lower()
    for keyword in ("ReferencedSamplePositions", "ReferencedTimeOffsets"):
        if found := numbers(item, keyword):
            return _listed(kind, found)
    return f"{kind} {text(item, 'ReferencedDateTime')}".strip()


def _listed(kind: str, found: list[float]) -> str:
    shown = ", ".join(f"{number:g}" for number in found[:MAX_NUMBERS])
    more = f" and {len(found) - MAX_NUMBERS} more" if len(found) > MAX_NUMBERS else ""
    return f"{kind}: {shown}{more}" if shown else kind
