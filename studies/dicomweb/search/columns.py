"""Rows of the index as text of the DICOM JSON model (PS3.18 F), without objects in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring as _quoted
from typing import Any

from studies.dicomweb.search.keys import Level, prefix

Part = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute: `write(*values of columns)` is its text, "" where it is left out."""

    tag: str
    columns: tuple[str, ...]
    write: Callable[..., str]


def _text(tag: str, vr: str, column: str, *, separator: str = "\\") -> Field:
    head = f'"{tag}":{{"vr":"{vr}"'
    empty = head + "}"
    start = head + ',"Value":['

    def write(value: str) -> str:
        if not value:
            return empty
        if separator in value:
            values = value.split(separator)
            listed = ",".join(_quoted(one) if one else "null" for one in values)
            return f"{start}{listed}]}}"
        return f"{start}{_quoted(value)}]}}"

    return Field(tag, (column,), write)


def _number(tag: str, vr: str, column: str, *, optional: bool = False) -> Field:
    head = f'"{tag}":{{"vr":"{vr}"'
    empty = "" if optional else head + "}"

    def write(value: int | None) -> str:
        return empty if value is None else f'{head},"Value":[{value}]}}'

    return Field(tag, (column,), write)


def _constant(tag: str, text: str) -> Field:
    whole = f'"{tag}":{text}'
    return Field(tag, (), lambda: whole)


def _optional(field: Field) -> Field:
    """Left out where there is no value."""
    return Field(field.tag, field.columns, lambda value: field.write(value) if value else "")


def _name(tag: str, *columns: str) -> Field:
    head = f'"{tag}":{{"vr":"PN"'
    groups = ("Alphabetic", "Ideographic", "Phonetic")

    def write(*names: str) -> str:
        parts = [
            f'"{group}":{_quoted(name)}' for group, name in zip(groups, names, strict=False) if name
        ]
        return f'{head},"Value":[{{{",".join(parts)}}}]}}' if parts else head + "}"

    return Field(tag, columns, write)


def _frames(number: int) -> str:
    return f'"00280008":{{"vr":"IS","Value":[{number}]}}' if number > 1 else ""


def _requests(steps: str, procedures: str) -> str:
    """Request Attributes Sequence of the columns that hold its items' values side by side."""
    if not steps and not procedures:
        return ""
    values = [text.split("\\") for text in (steps, procedures)]
    items = []
    for number in range(max(len(one) for one in values)):
        parts = [
            f'"{tag}":{{"vr":"SH","Value":[{_quoted(one[number])}]}}'
            for tag, one in zip(("00400009", "00401001"), values, strict=True)
            if number < len(one) and one[number]
        ]
        items.append(f"{{{','.join(parts)}}}")
    return f'"00400275":{{"vr":"SQ","Value":[{",".join(items)}]}}'


CHARACTER_SET = _constant("00080005", '{"vr":"CS","Value":["ISO_IR 192"]}')
ONLINE = _constant("00080056", '{"vr":"CS","Value":["ONLINE"]}')
# Table 10.6.3-3, and the descriptions that every client shows.
STUDY = (
    _text("00080020", "DA", "study_date"),
    _text("00080030", "TM", "study_time"),
    _text("00080050", "SH", "accession_number"),
    _text("00080061", "CS", "modalities", separator="/"),
    _text("00080080", "LO", "institution_name"),
    _name("00080090", "referring_physician_name"),
    _optional(_text("00080201", "SH", "timezone_offset_from_utc")),
    _text("00081030", "LO", "study_description"),
    _name("00100010", "patient_name", "patient_name_ideographic", "patient_name_phonetic"),
    _text("00100020", "LO", "patient_id"),
    _text("00100021", "LO", "issuer_of_patient_id"),
    _text("00100030", "DA", "patient_birth_date"),
    _text("00100040", "CS", "patient_sex"),
    _text("00101010", "AS", "patient_age"),
    _text("0020000D", "UI", "study_instance_uid"),
    _text("00200010", "SH", "study_id"),
    _number("00201206", "IS", "number_of_series"),
    _number("00201208", "IS", "number_of_instances"),
)
# Table 10.6.3-4.
SERIES = (
    _text("00080021", "DA", "series_date"),
    _text("00080031", "TM", "series_time"),
    _text("00080060", "CS", "modality"),
    _text("0008103E", "LO", "series_description"),
    _text("00180015", "CS", "body_part_examined"),
    _text("00181030", "LO", "protocol_name"),
    _text("0020000E", "UI", "series_instance_uid"),
    _number("00200011", "IS", "series_number"),
    _text("00200060", "CS", "laterality"),
    _number("00201209", "IS", "number_of_instances"),
    _optional(_text("00400244", "DA", "performed_procedure_step_start_date")),
    _optional(_text("00400245", "TM", "performed_procedure_step_start_time")),
    Field("00400275", ("scheduled_procedure_step_ids", "requested_procedure_ids"), _requests),
)
# Table 10.6.3-5.
INSTANCE = (
    _text("00080016", "UI", "sop_class_uid"),
    _text("00080018", "UI", "sop_instance_uid"),
    _text("00083002", "UI", "transfer_syntax_uid"),
    _number("00200013", "IS", "instance_number"),
    Field("00280008", ("number_of_frames",), _frames),
    _number("00280010", "US", "rows", optional=True),
    _number("00280011", "US", "columns", optional=True),
    _number("00280100", "US", "bits_allocated", optional=True),
)
FIELDS = {Level.STUDY: STUDY, Level.SERIES: SERIES, Level.INSTANCE: INSTANCE}
UIDS = {
    Level.STUDY: "study_instance_uid",
    Level.SERIES: "series_instance_uid",
    Level.INSTANCE: "sop_instance_uid",
}


class Writer:
    """Writes rows of a level with the attributes of the levels above it that the URL leaves open.

    `columns` are what a row of `values_list` has to hold, the id first, then the site, then the
    UIDs from the study down to the row's own.
    """

    def __init__(self, level: Level, above: tuple[Level, ...]) -> None:
        self.level = level
        self._uids = len([one for one in Level if one <= level])
        self.columns = ["pk", f"{prefix(level, Level.STUDY)}site_id"]
        self.columns += [prefix(level, one) + UIDS[one] for one in Level if one <= level]
        self._roots: dict[int, str] = {}
        fields = [CHARACTER_SET, ONLINE]
        for one in (*above, level):
            at = prefix(level, one)
            fields += [
                Field(field.tag, tuple(at + column for column in field.columns), field.write)
                for field in FIELDS[one]
            ]
        if Level.STUDY not in above and level is not Level.STUDY:
            fields.append(_uid_field(level, Level.STUDY, "0020000D"))
            offset = _text(
                "00080201", "SH", f"{prefix(level, Level.STUDY)}timezone_offset_from_utc"
            )
            fields.append(_optional(offset))
        if Level.SERIES not in above and level is Level.INSTANCE:
            fields.append(_uid_field(level, Level.SERIES, "0020000E"))
            fields.append(_text("00080060", "CS", "series__modality"))
        self.tags = frozenset(field.tag for field in fields) | {"00081190"}
        self._plan: list[tuple[str, tuple[int, ...], Callable[..., str]]] = [
            (field.tag, tuple(self._place(column) for column in field.columns), field.write)
            for field in sorted(fields, key=lambda field: field.tag)
        ]
        self._before = [one for one in self._plan if one[0] < "00081190"]
        self._after = [one for one in self._plan if one[0] > "00081190"]

    def _place(self, column: str) -> int:
        if column not in self.columns:
            self.columns.append(column)
        return self.columns.index(column)

    def write(self, row: tuple[Any, ...], root: str, more: list[Part] | None = None) -> str:
        """The object of one row. `root` is the URL of its site's DICOMweb service."""
        url = f"{root}/studies/{row[2]}"
        if self._uids > 1:
            url += f"/series/{row[3]}"
        if self._uids > 2:
            url += f"/instances/{row[4]}"
        retrieve = f'"00081190":{{"vr":"UR","Value":["{url}"]}}'
        if more:
            parts = [(tag, write(*[row[n] for n in at])) for tag, at, write in self._plan]
            parts += [("00081190", retrieve), *more]
            texts = [text for _, text in sorted(parts)]
        else:
            texts = [write(*[row[n] for n in at]) for _, at, write in self._before]
            texts.append(retrieve)
            texts += [write(*[row[n] for n in at]) for _, at, write in self._after]
        return "{" + ",".join(filter(None, texts)) + "}"


def _uid_field(level: Level, of: Level, tag: str) -> Field:
    return _text(tag, "UI", prefix(level, of) + UIDS[of])
