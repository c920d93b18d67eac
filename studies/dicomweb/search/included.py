"""What includefield asks for beyond the index: from the metadata document of one instance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword

from studies import documents
from studies.dicomweb.search.columns import Part
from studies.dicomweb.search.keys import BY_KEYWORD, BY_PATH, Level
from studies.dicomweb.search.parse import Query

# What all images of a study share (PS3.3 C.7.2, C.7.3.1; beside group 0010), and of a series
# (C.7.3.1, C.7.4.1, C.7.5.1).
OF_STUDY = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "InstitutionName",
    "InstitutionAddress",
    "ReferringPhysicianName",
    "ReferringPhysicianIdentificationSequence",
    "ConsultingPhysicianName",
    "StudyDescription",
    "ProcedureCodeSequence",
    "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy",
    "RequestingService",
    "ReferencedStudySequence",
    "StudyID",
    "AdmittingDiagnosesDescription",
    "AdmittingDiagnosesCodeSequence",
    "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence",
    "ReasonForTheRequestedProcedure",
    "AdmissionID",
    "ServiceEpisodeID",
    "ServiceEpisodeDescription",
    "TimezoneOffsetFromUTC",
)
OF_SERIES = (
    "Modality",
    "SeriesDate",
    "SeriesTime",
    "SeriesDescription",
    "SeriesDescriptionCodeSequence",
    "SeriesNumber",
    "Laterality",
    "BodyPartExamined",
    "ProtocolName",
    "PatientPosition",
    "PerformingPhysicianName",
    "OperatorsName",
    "ReferencedPerformedProcedureStepSequence",
    "RelatedSeriesSequence",
    "PerformedProcedureStepID",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "PerformedProcedureStepEndDate",
    "PerformedProcedureStepEndTime",
    "PerformedProcedureStepDescription",
    "PerformedProtocolCodeSequence",
    "CommentsOnThePerformedProcedureStep",
    "RequestAttributesSequence",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "StationName",
    "InstitutionalDepartmentName",
    "SpatialResolution",
    "DateOfLastCalibration",
    "TimeOfLastCalibration",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "TreatmentSessionUID",
)


def _tags(keywords: Sequence[str]) -> frozenset[str]:
    return frozenset(f"{tag_for_keyword(keyword) or 0:08X}" for keyword in keywords)


SHARED = {Level.STUDY: _tags(OF_STUDY), Level.SERIES: _tags((*OF_STUDY, *OF_SERIES))}
NEVER = frozenset({"00080005", "00081190", "00080056"})


def parts(
    query: Query, rows: Sequence[tuple[Any, ...]], present: frozenset[str]
) -> list[list[Part]] | None:
    """For each row the attributes that it has no column for; None where nothing is asked for.

    `rows` begin with id, site and UIDs. A study and a series answer with what their first image
    says; what belongs to a level below is left out.
    """
    wanted = _wanted(query, present)
    if not query.include_all and not wanted:
        return None
    keys = [(row[1], *row[2 : 2 + query.level]) for row in rows]
    found = documents.first_of_each(keys)
    return [_of_document(found.get(key), query, wanted, present) for key in keys]


def _wanted(query: Query, present: frozenset[str]) -> dict[str, list[tuple[str, ...]]]:
    """The paths asked for, by their first tag."""
    below = {
        path[0] for path, keyword in BY_PATH.items() if BY_KEYWORD[keyword].level > query.level
    }
    wanted: dict[str, list[tuple[str, ...]]] = {}
    for one in query.included:
        whole = one[0] in present
        if not whole and one[0] not in below | NEVER:
            wanted.setdefault(one[0], []).append(one[1:])
    return wanted


def _of_document(
    document: dict[str, Any] | None,
    query: Query,
    wanted: dict[str, list[tuple[str, ...]]],
    present: frozenset[str],
) -> list[Part]:
    shared = SHARED.get(query.level)
    chosen = []
    for tag, element in (document or {}).items():
        if tag in NEVER or tag in present:
            continue
        if tag in wanted:
            kept = _narrowed(element, wanted[tag])
        elif query.include_all and (shared is None or tag in shared or tag.startswith("0010")):
            kept = _without_bulk(element)
        else:
            continue
        if kept is not None:
            text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
            chosen.append((tag, f'"{tag}":{text}'))
    return chosen


def _narrowed(element: dict[str, Any], paths: list[tuple[str, ...]]) -> Any:
    """The element, of its items only what the paths name."""
    if () in paths or element.get("vr") != "SQ":
        return _without_bulk(element)
    items = []
    for item in element.get("Value") or []:
        kept = {}
        for tag in {path[0] for path in paths if path[0] in item}:
            inner = _narrowed(item[tag], [path[1:] for path in paths if path[0] == tag])
            if inner is not None:
                kept[tag] = inner
        items.append(kept)
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _without_bulk(element: dict[str, Any]) -> dict[str, Any] | None:
    """Bulk data is retrieved, not found."""
    if "BulkDataURI" in element:
        return None
    if element.get("vr") != "SQ" or not element.get("Value"):
        return element
    items = [
        {
            tag: kept
            for tag, inner in (item or {}).items()
            if (kept := _without_bulk(inner)) is not None
        }
        for item in element["Value"]
    ]
    return {"vr": "SQ", "Value": items}
