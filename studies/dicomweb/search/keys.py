"""The attributes that the index can be searched by (PS3.18 tables 10.6.1-5 and 10.6.3-3 to -5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Concat
from pydicom.datadict import tag_for_keyword

from studies.dicom import matching
from studies.dicomweb.like import Like
from studies.models import Instance
from studies.searchindex import NO_DAY

TAG = re.compile(r"[0-9A-Fa-f]{8}")
MAX_DEPTH = 8


class Level(IntEnum):
    """What a search returns, or where an attribute belongs."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3

    @property
    def plural(self) -> str:
        return {1: "studies", 2: "series", 3: "instances"}[int(self)]


def prefix(resource: Level, level: Level) -> str:
    """The way from a row of `resource` to one of `level`, for names of columns."""
    steps = {Level.SERIES: ["study"], Level.INSTANCE: ["series", "study"]}.get(resource, [])
    return "".join(f"{step}__" for step in steps[: resource - level])


Condition = Callable[[str], Q]


@dataclass(frozen=True, slots=True)
class Key:
    """`read(value)` is the condition, for a prefix of columns. It raises ValueError in words.

    `column` is set where `plan` can go by it; `is_list`: a parameter that may come several times.
    """

    level: Level
    read: Callable[[str], Condition]
    is_list: bool = False


def text(column: str) -> Callable[[str], Condition]:
    """Exact, or by wildcards `*` and `?`."""

    def read(value: str) -> Condition:
        if matching.has_wildcard(value):
            return lambda at: Q(Like(F(at + column), value))
        return lambda at: Q(**{at + column: value})

    return read


def among(column: str) -> Callable[[str], Condition]:
    """One value of a list with backslashes."""

    def read(value: str) -> Condition:
        if not matching.has_wildcard(value):
            value = f"*\\{value}\\*"
        else:
            value = "*\\" + value.replace("\\", "") + "\\*"
        edge = Value("\\")
        return lambda at: Q(
            Like(Concat(edge, F(at + column), edge), value)  # type: ignore[arg-type]
        )

    return read


def uid(column: str) -> Callable[[str], Condition]:
    """One UID of a list with backslashes or commas."""

    def read(value: str) -> Condition:
        wanted = matching.uids(value)
        return lambda at: Q(**{f"{at}{column}__in": wanted})

    return read


def number(column: str) -> Callable[[str], Condition]:
    """A whole number."""

    def read(value: str) -> Condition:
        wanted = matching.whole_number(value)
        if abs(wanted) >= 2**31:
            return lambda at: Q(pk__in=[])
        return lambda at: Q(**{at + column: wanted})

    return read


def name(column: str) -> Callable[[str], Condition]:
    """Case and accents do not matter."""

    def read(value: str) -> Condition:
        return name_condition(column, matching.name_patterns(value))

    return read


def name_condition(column: str, patterns: list[str]) -> Condition:
    """All of these patterns of `charset.name_key`."""
    return lambda at: Q(*(Q(Like(F(at + column), pattern)) for pattern in patterns))


def study_date(value: str) -> Condition:
    """A day, or a range that may be open at one end."""
    first, last = matching.days(value)

    def condition(at: str) -> Q:
        if first == last:
            return Q(**{f"{at}sort_day": first})
        found = Q(**{f"{at}sort_day__gte": first} if first else {f"{at}sort_day__gt": NO_DAY})
        return found & Q(**{f"{at}sort_day__lte": last}) if last else found

    return condition


def dates(column: str) -> Callable[[str], Condition]:
    """The same over the text of DA."""

    def read(value: str) -> Condition:
        first, last = (f"{day:%Y%m%d}" if day else None for day in matching.days(value))
        if first == last:
            return lambda at: Q(**{at + column: first})
        return between(column, first, last)

    return read


def times(column: str) -> Callable[[str], Condition]:
    def read(value: str) -> Condition:
        return between(column, *matching.times(value))

    return read


def between(column: str, low: str | None, high: str | None) -> Condition:
    """Text that is there and within bounds."""

    def condition(at: str) -> Q:
        found = Q(**{f"{at}{column}__gte": low}) if low else Q(**{f"{at}{column}__gt": ""})
        return found & Q(**{f"{at}{column}__lte": high}) if high is not None else found

    return condition


def modalities(value: str) -> list[str]:
    """A list of codes. Raises ValueError."""
    codes = [code.strip() for code in re.split(r"[\\,]", value)]
    if not all(re.fullmatch(r"[A-Z0-9 _]{1,16}", code) for code in codes):
        raise ValueError("A modality is capital letters such as CT.")
    return codes


def modalities_in_study(value: str) -> Condition:
    """Any of a list; the column holds "CT/SR"."""
    codes = modalities(value)

    def condition(at: str) -> Q:
        found = Q()
        for code in codes:
            for pattern in (code, f"{code}/*", f"*/{code}", f"*/{code}/*"):
                found |= text("modalities")(pattern)(at)
        return found

    return condition


def sop_classes_in_study(value: str) -> Condition:
    wanted = matching.uids(value)
    return lambda at: Q(
        Exists(
            Instance.objects.filter(series__study_id=OuterRef(f"{at}id"), sop_class_uid__in=wanted)
        )
    )


STUDY, SERIES, INSTANCE = Level
BY_KEYWORD = {
    "StudyInstanceUID": Key(STUDY, uid("study_instance_uid"), is_list=True),
    "PatientID": Key(STUDY, text("patient_id")),
    "IssuerOfPatientID": Key(STUDY, text("issuer_of_patient_id")),
    "PatientName": Key(STUDY, name("name_key")),
    "PatientBirthDate": Key(STUDY, dates("patient_birth_date")),
    "PatientSex": Key(STUDY, text("patient_sex")),
    "PatientAge": Key(STUDY, text("patient_age")),
    "AccessionNumber": Key(STUDY, text("accession_number")),
    "StudyDate": Key(STUDY, study_date),
    "StudyTime": Key(STUDY, times("study_time")),
    "StudyID": Key(STUDY, text("study_id")),
    "StudyDescription": Key(STUDY, text("study_description")),
    "InstitutionName": Key(STUDY, text("institution_name")),
    "ReferringPhysicianName": Key(STUDY, name("referring_key")),
    "ModalitiesInStudy": Key(STUDY, modalities_in_study, is_list=True),
    "SOPClassesInStudy": Key(STUDY, sop_classes_in_study, is_list=True),
    "TimezoneOffsetFromUTC": Key(STUDY, text("timezone_offset_from_utc")),
    "NumberOfStudyRelatedSeries": Key(STUDY, number("number_of_series")),
    "NumberOfStudyRelatedInstances": Key(STUDY, number("number_of_instances")),
    "SeriesInstanceUID": Key(SERIES, uid("series_instance_uid"), is_list=True),
    "Modality": Key(SERIES, text("modality")),
    "SeriesNumber": Key(SERIES, number("series_number")),
    "SeriesDescription": Key(SERIES, text("series_description")),
    "SeriesDate": Key(SERIES, dates("series_date")),
    "SeriesTime": Key(SERIES, times("series_time")),
    "BodyPartExamined": Key(SERIES, text("body_part_examined")),
    "Laterality": Key(SERIES, text("laterality")),
    "ProtocolName": Key(SERIES, text("protocol_name")),
    "PerformedProcedureStepStartDate": Key(SERIES, dates("performed_procedure_step_start_date")),
    "PerformedProcedureStepStartTime": Key(SERIES, times("performed_procedure_step_start_time")),
    "RequestAttributesSequence.ScheduledProcedureStepID": Key(
        SERIES, among("scheduled_procedure_step_ids")
    ),
    "RequestAttributesSequence.RequestedProcedureID": Key(SERIES, among("requested_procedure_ids")),
    "NumberOfSeriesRelatedInstances": Key(SERIES, number("number_of_instances")),
    "SOPInstanceUID": Key(INSTANCE, uid("sop_instance_uid"), is_list=True),
    "SOPClassUID": Key(INSTANCE, uid("sop_class_uid"), is_list=True),
    "AvailableTransferSyntaxUID": Key(INSTANCE, uid("transfer_syntax_uid"), is_list=True),
    "InstanceNumber": Key(INSTANCE, number("instance_number")),
    "Rows": Key(INSTANCE, number("rows")),
    "Columns": Key(INSTANCE, number("columns")),
    "BitsAllocated": Key(INSTANCE, number("bits_allocated")),
    "NumberOfFrames": Key(INSTANCE, number("number_of_frames")),
    "PhotometricInterpretation": Key(INSTANCE, text("photometric_interpretation")),
}
# Dates and times that are one moment together (PS3.4 C.2.2.2.5.1).
MOMENTS = {
    "StudyDate": ("StudyTime", STUDY, "study_date", "study_time"),
    "SeriesDate": ("SeriesTime", SERIES, "series_date", "series_time"),
    "PerformedProcedureStepStartDate": (
        "PerformedProcedureStepStartTime",
        SERIES,
        "performed_procedure_step_start_date",
        "performed_procedure_step_start_time",
    ),
}


def moment_range(date_column: str, time_column: str, date_value: str, time_value: str) -> Condition:
    """From the first time of the first day to the last time of the last."""
    first, last = (f"{d:%Y%m%d}" if d else None for d in matching.days(date_value))
    low, high = matching.times(time_value)

    def condition(at: str) -> Q:
        day, time = at + date_column, at + time_column
        found = Q(**{f"{day}__gt": ""})
        if first:
            found &= Q(**{f"{day}__gt": first}) | Q(**{day: first, f"{time}__gte": low or ""})
        if last:
            at_end = {f"{time}__lte": high} if high else {}
            found &= Q(**{f"{day}__lt": last}) | Q(**{day: last, **at_end})
        return found

    return condition


def path(attribute: str) -> tuple[str, ...] | None:
    """`PatientID`, `00100020` or a path of them with dots as tags; None where it is none."""
    tags = []
    for part in attribute.split("."):
        if TAG.fullmatch(part):
            tags.append(part.upper())
        elif (number_ := tag_for_keyword(part)) is not None:
            tags.append(f"{number_:08X}")
        else:
            return None
    return tuple(tags) if len(tags) <= MAX_DEPTH else None


BY_PATH: dict[tuple[str, ...], str] = {path(keyword) or (): keyword for keyword in BY_KEYWORD}
