"""The header by pydicom, and the facts that the index needs. Only what has passed the gate."""

from __future__ import annotations

import contextlib
import math
import mmap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import IO, Any

import pydicom.config
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from studies.dicom.elements import Elements
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


def read_open(file: IO[bytes], keywords: Sequence[str] = ()) -> tuple[Dataset, int]:
    """The same of an open file, all of it or only these attributes, and where Pixel Data begins;
    the end of the file where there is none. Raises GateError(UNDECODABLE)."""
    try:
        dataset = dcmread(file, stop_before_pixels=True, specific_tags=list(keywords) or None)
        return dataset, file.tell()
    except (Exception, RecursionError) as error:
        raise GateError(Reason.UNDECODABLE) from error


def _value(elements: Elements, keyword: str) -> Any:
    if _tag(keyword) not in elements:
        return None
    try:
        return elements.dataset.get(keyword)
    except GateError:
        raise
    except Exception:
        return None


@lru_cache(maxsize=256)
def _tag(keyword: str) -> int:
    return tag_for_keyword(keyword) or 0


def _plain(elements: Elements, keyword: str) -> str | None:
    """The text of an element that is ASCII: in every character set the same (PS3.5 6.1.2)."""
    raw = elements.raw(_tag(keyword))
    if raw is None:
        return ""
    value = raw.value
    if not isinstance(value, bytes) or not value.isascii() or b"\x1b" in value:
        return None
    return value.decode().replace("\0", "").strip()


def _text(elements: Elements, keyword: str) -> str:
    plain = _plain(elements, keyword)
    if plain is not None:
        return plain
    value = _value(elements, keyword)
    if value is None:
        return ""
    if isinstance(value, MultiValue | list):
        value = "\\".join(str(part) for part in value)
    with contextlib.suppress(Exception):
        return str(value).replace("\0", "").strip()
    return ""


def _whole(elements: Elements, keyword: str) -> int | None:
    raw = elements.raw(_tag(keyword))
    if raw is None:
        return None
    if isinstance(raw.value, bytes):
        vr = raw.VR or dictionary_VR(_tag(keyword))
        if vr == "US" and len(raw.value) == 2:
            return int.from_bytes(raw.value, "little" if raw.is_little_endian else "big")
        if vr == "IS" and raw.value.strip().isdigit():
            return int(raw.value)
    value = _value(elements, keyword)
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    try:
        return None if value is None else int(float(str(value)))
    except (ValueError, OverflowError):
        return None


def _number(elements: Elements, keyword: str) -> float | None:
    try:
        number = float(str(_value(elements, keyword)))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _name(elements: Elements, keyword: str) -> tuple[str, str, str]:
    """Alphabetic, ideographic and phonetic groups of a PN (PS3.5 6.2.1)."""
    plain = _plain(elements, keyword)
    if plain == "":
        return "", "", ""
    if plain is not None and "\\" not in plain and "=" not in plain:
        return plain.rstrip("^"), "", ""
    value = _value(elements, keyword) if plain is None or "\\" in plain else plain
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


def _issuer(elements: Elements) -> str:
    """Who gave the accession number: local name, else universal ID (PS3.3 10.14)."""
    items = _value(elements, "IssuerOfAccessionNumberSequence")
    try:
        item = items[0]
    except (TypeError, IndexError, KeyError):
        return ""
    if not isinstance(item, Dataset):
        return ""
    issuer = Elements.of(item)
    return _text(issuer, "LocalNamespaceEntityID") or _text(issuer, "UniversalEntityID")


def facts(source: Elements | Dataset) -> Facts:
    """The index's values; a strange one becomes empty, never an error.

    Raises GateError(UNDECODABLE) where pydicom has to read the header and cannot.
    """
    elements = source if isinstance(source, Elements) else Elements.of(source)
    alphabetic, ideographic, phonetic = _name(elements, "PatientName")
    has_image = _tag("Rows") in elements
    frames = _whole(elements, "NumberOfFrames")
    return Facts(
        patient_id=_text(elements, "PatientID"),
        issuer_of_patient_id=_text(elements, "IssuerOfPatientID"),
        patient_name=alphabetic,
        patient_name_ideographic=ideographic,
        patient_name_phonetic=phonetic,
        patient_birth_date=_text(elements, "PatientBirthDate"),
        patient_sex=_text(elements, "PatientSex"),
        patient_age=_text(elements, "PatientAge"),
        study_date=_text(elements, "StudyDate"),
        study_time=_text(elements, "StudyTime"),
        accession_number=_text(elements, "AccessionNumber"),
        issuer_of_accession=_issuer(elements),
        study_id=_text(elements, "StudyID"),
        study_description=_text(elements, "StudyDescription"),
        referring_physician_name=_name(elements, "ReferringPhysicianName")[0],
        institution_name=_text(elements, "InstitutionName"),
        modality=_text(elements, "Modality"),
        series_number=_whole(elements, "SeriesNumber"),
        series_description=_text(elements, "SeriesDescription"),
        body_part_examined=_text(elements, "BodyPartExamined"),
        laterality=_text(elements, "Laterality") or _text(elements, "ImageLaterality"),
        protocol_name=_text(elements, "ProtocolName"),
        series_date=_text(elements, "SeriesDate"),
        series_time=_text(elements, "SeriesTime"),
        instance_number=_whole(elements, "InstanceNumber"),
        rows=_whole(elements, "Rows"),
        columns=_whole(elements, "Columns"),
        number_of_frames=(frames if frames is not None else 1) if has_image else 0,
        samples_per_pixel=_whole(elements, "SamplesPerPixel") or 1,
        bits_allocated=_whole(elements, "BitsAllocated"),
        bits_stored=_whole(elements, "BitsStored"),
        photometric_interpretation=_text(elements, "PhotometricInterpretation"),
        pixel_representation=_whole(elements, "PixelRepresentation") or 0,
        frame_time=_number(elements, "FrameTime"),
        sop_class_uid=_text(elements, "SOPClassUID"),
        manufacturer=_text(elements, "Manufacturer"),
        station_name=_text(elements, "StationName"),
        image_type=_text(elements, "ImageType"),
    )
