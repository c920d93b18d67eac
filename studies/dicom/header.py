"""The header by pydicom, and the facts that the index needs. Only what has passed the gate."""

from __future__ import annotations

import contextlib
import math
import mmap
import warnings
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

import pydicom.config
from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from studies.dicom.errors import GateError, Reason

# Real devices write values that the standard forbids; they are kept as they came.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
warnings.filterwarnings("ignore", module=r"pydicom\.")


@dataclass(frozen=True, slots=True)
class Facts:
    """Values as sent, stripped; numbers None where they are none."""

    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_name_ideographic: str
    patient_name_phonetic: str
    patient_birth_date: str
    patient_sex: str
    patient_age: str
    study_date: str
    study_time: str
    accession_number: str
    issuer_of_accession: str
    study_id: str
    study_description: str
    referring_physician_name: str
    institution_name: str
    modality: str
    series_number: int | None
    series_description: str
    body_part_examined: str
    laterality: str
    protocol_name: str
    series_date: str
    series_time: str
    instance_number: int | None
    rows: int | None
    columns: int | None
    number_of_frames: int
    samples_per_pixel: int
    bits_allocated: int | None
    bits_stored: int | None
    photometric_interpretation: str
    pixel_representation: int
    frame_time: float | None
    sop_class_uid: str
    manufacturer: str
    station_name: str
    image_type: str


def read(data: bytes | mmap.mmap) -> Dataset:
    """The data set before Pixel Data. Raises GateError(UNDECODABLE)."""
    source: Any = data if isinstance(data, mmap.mmap) else BytesIO(data)
    if isinstance(data, mmap.mmap):
        data.seek(0)
    try:
        return dcmread(source, stop_before_pixels=True, force=False)
    except (Exception, RecursionError) as error:
        raise GateError(Reason.UNDECODABLE) from error


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except Exception:
        return None


@lru_cache(maxsize=256)
def _tag(keyword: str) -> int:
    return tag_for_keyword(keyword) or 0


def _plain(dataset: Dataset, keyword: str) -> str | None:
    """The text of an element that is ASCII: in every character set the same (PS3.5 6.1.2)."""
    tag = _tag(keyword)
    if tag not in dataset:
        return ""
    raw = dataset.get_item(tag, keep_deferred=True)
    if not isinstance(raw, RawDataElement):
        return None
    value = raw.value
    if value is None:
        return ""
    if not isinstance(value, bytes) or not value.isascii() or b"\x1b" in value:
        return None
    return value.decode().replace("\0", "").strip()


def _text(dataset: Dataset, keyword: str) -> str:
    plain = _plain(dataset, keyword)
    if plain is not None:
        return plain
    value = _value(dataset, keyword)
    if value is None:
        return ""
    if isinstance(value, MultiValue | list):
        value = "\\".join(str(part) for part in value)
    with contextlib.suppress(Exception):
        return str(value).replace("\0", "").strip()
    return ""


def _whole(dataset: Dataset, keyword: str) -> int | None:
    value = _value(dataset, keyword)
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    try:
        return None if value is None else int(float(str(value)))
    except (ValueError, OverflowError):
        return None


def _number(dataset: Dataset, keyword: str) -> float | None:
    try:
        number = float(str(_value(dataset, keyword)))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _name(dataset: Dataset, keyword: str) -> tuple[str, str, str]:
    """Alphabetic, ideographic and phonetic groups of a PN (PS3.5 6.2.1)."""
    plain = _plain(dataset, keyword)
    if plain == "":
        return "", "", ""
    value = _value(dataset, keyword) if plain is None or "\\" in plain else plain
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    if value is None:
        return "", "", ""
    try:
        if not isinstance(value, PersonName):
            value = PersonName(str(value))
        groups = [str(group).replace("\0", "").strip() for group in value.components]
    except Exception:
        return "", "", ""
    alphabetic, ideographic, phonetic = [*groups, "", "", ""][:3]
    return alphabetic.rstrip("^"), ideographic.rstrip("^"), phonetic.rstrip("^")


def _issuer(dataset: Dataset) -> str:
    """Who gave the accession number: local name, else universal ID (PS3.3 10.14)."""
    items = _value(dataset, "IssuerOfAccessionNumberSequence")
    try:
        item = items[0]
    except (TypeError, IndexError, KeyError):
        return ""
    if not isinstance(item, Dataset):
        return ""
    return _text(item, "LocalNamespaceEntityID") or _text(item, "UniversalEntityID")


def facts(dataset: Dataset) -> Facts:
    """The index's values; a strange one becomes empty, never an error."""
    alphabetic, ideographic, phonetic = _name(dataset, "PatientName")
    has_image = "Rows" in dataset
    frames = _whole(dataset, "NumberOfFrames")
    return Facts(
        patient_id=_text(dataset, "PatientID"),
        issuer_of_patient_id=_text(dataset, "IssuerOfPatientID"),
        patient_name=alphabetic,
        patient_name_ideographic=ideographic,
        patient_name_phonetic=phonetic,
        patient_birth_date=_text(dataset, "PatientBirthDate"),
        patient_sex=_text(dataset, "PatientSex"),
        patient_age=_text(dataset, "PatientAge"),
        study_date=_text(dataset, "StudyDate"),
        study_time=_text(dataset, "StudyTime"),
        accession_number=_text(dataset, "AccessionNumber"),
        issuer_of_accession=_issuer(dataset),
        study_id=_text(dataset, "StudyID"),
        study_description=_text(dataset, "StudyDescription"),
        referring_physician_name=_name(dataset, "ReferringPhysicianName")[0],
        institution_name=_text(dataset, "InstitutionName"),
        modality=_text(dataset, "Modality"),
        series_number=_whole(dataset, "SeriesNumber"),
        series_description=_text(dataset, "SeriesDescription"),
        body_part_examined=_text(dataset, "BodyPartExamined"),
        laterality=_text(dataset, "Laterality") or _text(dataset, "ImageLaterality"),
        protocol_name=_text(dataset, "ProtocolName"),
        series_date=_text(dataset, "SeriesDate"),
        series_time=_text(dataset, "SeriesTime"),
        instance_number=_whole(dataset, "InstanceNumber"),
        rows=_whole(dataset, "Rows"),
        columns=_whole(dataset, "Columns"),
        number_of_frames=(frames if frames is not None else 1) if has_image else 0,
        samples_per_pixel=_whole(dataset, "SamplesPerPixel") or 1,
        bits_allocated=_whole(dataset, "BitsAllocated"),
        bits_stored=_whole(dataset, "BitsStored"),
        photometric_interpretation=_text(dataset, "PhotometricInterpretation"),
        pixel_representation=_whole(dataset, "PixelRepresentation") or 0,
        frame_time=_number(dataset, "FrameTime"),
        sop_class_uid=_text(dataset, "SOPClassUID"),
        manufacturer=_text(dataset, "Manufacturer"),
        station_name=_text(dataset, "StationName"),
        image_type=_text(dataset, "ImageType"),
    )
