"""Makes a DICOM file-set of fetched images (PS3.10 8, PS3.3 F). Runs as a process of its own.

    python -m agents.site.disc.fileset    < {"files", "root", "institution", "viewer"}    > summary

With "places": true the summary says where each file went.

The images keep their bytes: pydicom's FileSet gets headers only, gives each file its place and
writes DICOMDIR; then the originals are moved to those places. A hostile header costs this process
and no other.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.fileset import FileSet
from pydicom.sequence import Sequence

from agents.site.disc import readme

MOST_MEMORY = 2 * 2**30
MOST_SECONDS = 3600
IDENTITY = (
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "PatientName", "PatientID"),
    *("PatientBirthDate", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription"),
    *("StudyID", "AccessionNumber", "Modality", "SeriesInstanceUID", "SeriesNumber"),
    *("InstanceNumber", "SeriesDate", "SeriesTime", "AcquisitionDate", "ContentDate"),
    *("ContentTime", "ContentLabel", "ContentDescription", "ContentCreatorName"),
)
LEAVES = (
    *("ImageType", "Rows", "Columns", "NumberOfFrames", "DataPointRows", "DataPointColumns"),
    *("DoseSummationType", "StructureSetLabel", "StructureSetDate", "StructureSetTime"),
    *("RTPlanLabel", "RTPlanDate", "RTPlanTime", "TreatmentDate", "TreatmentTime"),
    *("PresentationCreationDate", "PresentationCreationTime", "ReferencedSeriesSequence"),
    *("BlendingSequence", "CompletionFlag", "VerificationFlag", "VerificationDateTime"),
    *("ConceptNameCodeSequence", "DocumentTitle", "MIMETypeOfEncapsulatedDocument"),
    *("HL7InstanceIdentifier", "ReferencedImageEvidenceSequence", "UserContentLabel"),
    *("ReferencedInstanceSequence", "ScheduledStationAETitle"),
)
"""What directory records are made of."""
NO_DATE, NO_TIME = "19000101", "000000"
"""Type 1 in a directory record, where the image says none."""
OTHERWISE = {
    "PatientID": "NONE",
    "StudyID": "NONE",
    "Modality": "OT",
    "SeriesNumber": "0",
    "ContentLabel": "UNNAMED",
    "StructureSetLabel": "UNNAMED",
    "MIMETypeOfEncapsulatedDocument": "application/octet-stream",
    "DoseSummationType": "PLAN",
    "CompletionFlag": "PARTIAL",
    "VerificationFlag": "UNVERIFIED",
}
ENCAPSULATED = "1.2.840.10008.5.1.4.1.1.104."
RT_PLANS = ("1.2.840.10008.5.1.4.1.1.481.5", "1.2.840.10008.5.1.4.1.1.481.8")
DATES = {
    "StudyDate": ("SeriesDate", "AcquisitionDate", "ContentDate"),
    "ContentDate": ("SeriesDate", "StudyDate"),
    "PresentationCreationDate": ("ContentDate", "SeriesDate", "StudyDate"),
}
TIMES = ("StudyTime", "ContentTime", "PresentationCreationTime")


class NotListed(Exception):
    """An image that no directory record can be made of."""


def build(files: Path, root: Path) -> dict[str, Any]:
    """Move the files of `files` into a file-set at `root`; what is on it, in words and numbers.

    Raises NotListed, OSError.
    """
    paths = sorted(files.iterdir())
    found = [(_header(path), path) for path in paths]
    found.sort(key=lambda each: _order(each[0]))
    summary = _summary([header for header, _ in found])
    file_set = FileSet()
    file_set.ID = f"LB{datetime.now(UTC):%y%m%d%H%M%S}"
    places: dict[str, Path] = {}
    for number, (header, path) in enumerate(found, 1):
        _complete(header, number)
        places[str(header.SOPInstanceUID)] = path
        try:
            file_set.add(header)
        except Exception as error:
            raise NotListed(f"{type(error).__name__} at image {number}") from None
    if len(places) != len(paths):
        raise NotListed("the same image twice")
    file_set.write(root)
    summary["places"] = {}
    for instance in file_set:
        path = places.pop(str(instance.SOPInstanceUID))
        path.replace(root / instance.FileID)
        summary["places"][path.name] = Path(instance.FileID).as_posix()
    return summary


def _header(path: Path) -> Dataset:
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=[*IDENTITY, *LEAVES])
        for uid in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "SOPClassUID"):
            if not header.get(uid):
                raise NotListed("an image without a UID")
        str(header.file_meta.TransferSyntaxUID)
    except NotListed:
        raise
    except Exception as error:
        raise NotListed(f"{type(error).__name__} in a header") from None
    return header


def _order(header: Dataset) -> tuple[Any, ...]:
    return (
        *(str(header.get("PatientID", "")), str(header.get("StudyDate", ""))),
        *(str(header.StudyInstanceUID), _whole(header.get("SeriesNumber"))),
        *(str(header.SeriesInstanceUID), _whole(header.get("InstanceNumber"))),
        str(header.SOPInstanceUID),
    )


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _forget_what_is_no_number(header: Dataset) -> None:
    """It is read as it stands, but no record can be made of it."""
    for keyword in ("SeriesNumber", "InstanceNumber"):
        try:
            int(header.get(keyword) or 0)
        except (TypeError, ValueError):
            del header[keyword]


def _complete(header: Dataset, number: int) -> None:
    """Give type 1 elements of directory records a value; the image itself keeps having none."""
    for keyword, others in DATES.items():
        if not header.get(keyword):
            values = (str(header.get(each) or "") for each in others)
            setattr(header, keyword, next(filter(None, values), NO_DATE))
    for keyword in TIMES:
        if not header.get(keyword):
            setattr(header, keyword, NO_TIME)
    _forget_what_is_no_number(header)
    for keyword, value in OTHERWISE.items():
        if header.get(keyword) in (None, ""):
            setattr(header, keyword, value)
    if header.get("InstanceNumber") in (None, ""):
        header.InstanceNumber = str(number)
    # By these two FileSet knows what kind of record it makes.
    if str(header.SOPClassUID).startswith(ENCAPSULATED):
        header.EncapsulatedDocument = b"\0\0"
    if header.SOPClassUID in RT_PLANS and not header.get("RTPlanLabel"):
        header.RTPlanLabel = "UNNAMED"
    for keyword in ("ReferencedSeriesSequence", "BlendingSequence", "ConceptNameCodeSequence"):
        if keyword in header and not header[keyword].value:
            del header[keyword]
    if "ConceptNameCodeSequence" not in header:
        # PS3.3 F.5.25 has it as type 1; DCM 121181 is a bare "DICOM Object Catalog".
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator = "121181", "DCM"
        code.CodeMeaning = "DICOM Object Catalog"
        header.ConceptNameCodeSequence = Sequence([code])


def _summary(headers: list[Dataset]) -> dict[str, Any]:
    patients: dict[str, dict[str, str]] = {}
    studies: dict[str, dict[str, Any]] = {}
    for header in headers:
        identity = str(header.get("PatientID", ""))
        patients.setdefault(
            identity,
            {
                "name": str(header.get("PatientName", "")).replace("^", " ").strip(),
                "born": str(header.get("PatientBirthDate", "")),
            },
        )
        study = studies.setdefault(
            str(header.StudyInstanceUID),
            {
                "date": str(header.get("StudyDate", "")),
                "description": " ".join(str(header.get("StudyDescription", "")).split()),
                "modalities": set(),
                "images": 0,
            },
        )
        study["modalities"].add(str(header.get("Modality", "")))
        study["images"] += 1
    for study in studies.values():
        study["modalities"] = "/".join(sorted(filter(None, study["modalities"])))
    syntaxes = {str(header.file_meta.TransferSyntaxUID) for header in headers}
    return {
        "patients": list(patients.values()),
        "studies": list(studies.values()),
        "images": len(headers),
        "syntaxes": sorted(syntaxes),
        "profile": readme.profile_of(syntaxes),
        "note": readme.note_on(syntaxes),
    }


def main() -> int:
    """Standard input to standard output; status 3 where an image cannot be listed."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    warnings.simplefilter("ignore")
    asked = json.load(sys.stdin)
    root = Path(asked["root"])
    root.mkdir(exist_ok=True)
    try:
        summary = build(Path(asked["files"]), root)
    except (NotListed, RecursionError, MemoryError) as error:
        json.dump({"why": str(error) or type(error).__name__}, sys.stdout)
        return 3
    text = readme.text(
        summary,
        institution=asked["institution"],
        made=datetime.now(UTC).astimezone().date(),
        has_viewer=asked["viewer"],
    )
    # With a byte order mark, by which every editor knows UTF-8.
    (root / "README.TXT").write_bytes(text.encode("utf-8-sig"))
    # What is told to the agent, and by it to the portal, names nobody.
    del summary["patients"]
    if not asked.get("places"):
        del summary["places"]
    summary["studies"] = len(summary["studies"])
    json.dump(summary, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
