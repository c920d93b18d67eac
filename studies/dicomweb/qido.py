"""QIDO-RS: search for studies, series and instances (PS3.18 10.6)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl

from django.db.models import F, Q
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from pacs import audit
from studies.dicom.charset import search_key
from studies.dicomweb.attributes import (
    Attributes,
    instance_attributes,
    series_attributes,
    study_attributes,
)
from studies.dicomweb.authority import Identity, StudyRef, dicomweb_root
from studies.dicomweb.errors import BadRequestError
from studies.dicomweb.like import Like, pattern
from studies.models import Instance, Series, Study

MAX_RESULTS = 1000
MAX_OFFSET = 10**9
MAX_PARAMETERS = 100
MAX_VALUE = 4096
NAME = re.compile(r"[A-Za-z0-9.]{1,64}")
TAG = re.compile(r"[0-9A-Fa-f]{8}")
DA = re.compile(r"[0-9]{8}")
UID = re.compile(r"[0-9.]{1,64}")

Match = Callable[[str], Q]


@dataclass(slots=True)
class Query:
    """A parsed query string."""

    condition: Q = field(default_factory=Q)
    keys: list[str] = field(default_factory=list)
    limit: int = MAX_RESULTS
    offset: int = 0
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A page of results; `more`: there are results beyond it."""

    rows: list[Attributes]
    more: bool

    def body(self) -> bytes:
        return json.dumps(self.rows, ensure_ascii=False, separators=(",", ":")).encode()


# How each attribute matches (PS3.4 C.2.2.2)


def text_match(column: str) -> Match:
    """Exact, or by wildcards `*` and `?`."""

    def match(value: str) -> Q:
        if "*" in value or "?" in value:
            return Q(Like(F(column), pattern(value)))
        return Q(**{column: value})

    return match


def uid_match(column: str) -> Match:
    """One UID of a list with backslashes or commas."""

    def match(value: str) -> Q:
        uids = [uid.strip() for uid in re.split(r"[\\,]", value) if uid.strip()]
        if not uids or not all(UID.fullmatch(uid) for uid in uids):
            raise BadRequestError("A UID is digits and dots, at most 64.")
        return Q(**{f"{column}__in": uids})

    return match


def number_match(column: str) -> Match:
    """An integer string."""

    def match(value: str) -> Q:
        try:
            number = int(value)
        except ValueError:
            raise BadRequestError("That attribute is a whole number.") from None
        if abs(number) >= 2**31:
            return Q(pk__in=[])
        return Q(**{column: number})

    return match


def _day(text: str) -> date | None:
    if not text:
        return None
    if DA.fullmatch(text):
        try:
            return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a DA has no zone
        except ValueError:
            pass
    raise BadRequestError("A date is YYYYMMDD, a range YYYYMMDD-YYYYMMDD.")


def study_date_match(value: str) -> Q:
    """A day, or a range that may be open at one end."""
    first, dash, last = value.partition("-")
    start, end = _day(first), _day(last)
    if not dash:
        return Q(study_day=start)
    condition = Q()
    if start:
        condition &= Q(study_day__gte=start)
    if end:
        condition &= Q(study_day__lte=end)
    return condition


def patient_name_match(value: str) -> Q:
    """Case and accents do not matter; `^` and `=` separate words; alphabetic group or another.

    The folded text begins with the name, so a pattern is anchored there.
    """
    pieces = [
        piece if piece in {"*", "?"} else _fold(piece) for piece in re.split(r"([*?])", value)
    ]
    folded = "".join(pieces)
    name = pattern(folded.strip())
    condition = Q(Like(F("search_text"), f"{name}%" if folded.endswith("*") else f"{name} %"))
    if not folded.endswith("*"):
        condition |= Q(Like(F("search_text"), name))
    exact = pattern(value)
    for column in ("patient_name_ideographic", "patient_name_phonetic"):
        condition |= Q(Like(F(column), exact))
    return condition


def _fold(text: str) -> str:
    """Folded as the index is, with the spaces at the ends that wildcards need."""
    spaced = text.replace("^", " ").replace("=", " ")
    core = search_key(spaced.strip())
    before = " " if spaced[:1].isspace() and core else ""
    return f"{before}{core}{' ' if core and spaced[-1:].isspace() else ''}"


def modalities_match(value: str) -> Q:
    """Any of a list; the column holds "CT/SR"."""
    condition = Q()
    for modality in re.split(r"[\\,]", value):
        code = modality.strip()
        if re.fullmatch(r"[A-Z0-9 _]{1,16}", code) is None:
            raise BadRequestError("A modality is capital letters such as CT.")
        condition |= (
            Q(modalities=code)
            | Q(modalities__startswith=f"{code}/")
            | Q(modalities__endswith=f"/{code}")
            | Q(modalities__contains=f"/{code}/")
        )
    return condition


STUDY_KEYS: dict[str, Match] = {
    "StudyInstanceUID": uid_match("study_instance_uid"),
    "PatientID": text_match("patient_id"),
    "IssuerOfPatientID": text_match("issuer_of_patient_id"),
    "PatientName": patient_name_match,
    "PatientBirthDate": text_match("patient_birth_date"),
    "PatientSex": text_match("patient_sex"),
    "AccessionNumber": text_match("accession_number"),
    "StudyDate": study_date_match,
    "StudyID": text_match("study_id"),
    "StudyDescription": text_match("study_description"),
    "ReferringPhysicianName": text_match("referring_physician_name"),
    "ModalitiesInStudy": modalities_match,
}
SERIES_KEYS: dict[str, Match] = {
    "SeriesInstanceUID": uid_match("series_instance_uid"),
    "Modality": text_match("modality"),
    "SeriesNumber": number_match("series_number"),
    "SeriesDescription": text_match("series_description"),
}
INSTANCE_KEYS: dict[str, Match] = {
    "SOPInstanceUID": uid_match("sop_instance_uid"),
    "SOPClassUID": uid_match("sop_class_uid"),
    "InstanceNumber": number_match("instance_number"),
    "SeriesInstanceUID": uid_match("series__series_instance_uid"),
    "Modality": text_match("series__modality"),
}


def parse(query_string: bytes, keys: dict[str, Match]) -> Query:
    """A query string against the keys of a level. Raises BadRequestError in plain words."""
    query = Query()
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise BadRequestError("The query is no UTF-8 query string.") from None
    for name, value in pairs:
        if "\x00" in value or len(value) > MAX_VALUE:
            raise BadRequestError("A value of the query is not text, or too long.")
        _apply(query, keys, name, value)
    return query


def _apply(query: Query, keys: dict[str, Match], name: str, value: str) -> None:
    if name == "limit":
        query.limit = min(_count(value, "limit"), MAX_RESULTS)
    elif name == "offset":
        query.offset = _count(value, "offset")
    elif name == "includefield":
        for one in value.split(","):
            _check_field(one.strip())
    elif name == "fuzzymatching":
        if value.lower() not in {"true", "false"}:
            raise BadRequestError("fuzzymatching is true or false.")
        query.fuzzy = value.lower() == "true"
    else:
        keyword = keyword_for_tag(name) if TAG.fullmatch(name) else name
        match = keys.get(keyword)
        if match is None:
            shown = name if NAME.fullmatch(name) else "A parameter"
            raise BadRequestError(f"{shown} is no search key here.")
        if keyword in query.keys:
            raise BadRequestError("A parameter of the query comes twice.")
        query.keys.append(keyword)
        if value not in {"", "*"}:
            query.condition &= match(value)


def _count(value: str, name: str) -> int:
    if not value.isdecimal() or not value.isascii() or len(value) > 10 or int(value) > MAX_OFFSET:
        raise BadRequestError(f"{name} is a whole number from 0.")
    return int(value)


def _check_field(name: str) -> None:
    """`all`, a keyword, a tag, or a path of them."""
    if name.lower() == "all":
        return
    for part in name.split("."):
        if not TAG.fullmatch(part) and tag_for_keyword(part) is None:
            raise BadRequestError("includefield takes all, keywords and tags.")


def _page(rows: Any, query: Query) -> tuple[list[Any], bool]:
    found = list(rows[query.offset : query.offset + query.limit + 1])
    return found[: query.limit], len(found) > query.limit


def search_studies(identity: Identity, slug: str | None, query: Query) -> Found:
    """Studies that the identity may see, newest study date first."""
    rows = Study.objects.visible_to(identity.principal).filter(query.condition)
    if slug is not None:
        rows = rows.filter(site__slug=slug)
    page, more = _page(rows.select_related("site").order_by("-study_day", "-id"), query)
    audit.record_read(
        "study.searched",
        actor=identity.actor,
        session_key=identity.principal.session_key,
        address=identity.address,
        detail={"keys": sorted(query.keys)},
    )
    return Found([study_attributes(row, dicomweb_root(row.site.slug)) for row in page], more)


def search_series(study: StudyRef, query: Query) -> Found:
    """Series of a study that the caller may see, by series number."""
    rows = Series.objects.filter(query.condition, study_id=study.pk)
    page, more = _page(rows.order_by(F("series_number").asc(nulls_last=True), "id"), query)
    root = dicomweb_root(study.site_slug)
    return Found([series_attributes(row, study.study_instance_uid, root) for row in page], more)


def search_instances(study: StudyRef, series_uid: str | None, query: Query) -> Found:
    """Instances of a study or series that the caller may see, by series and instance number."""
    rows = Instance.objects.filter(query.condition, series__study_id=study.pk)
    if series_uid is not None:
        rows = rows.filter(series__series_instance_uid=series_uid)
    rows = (
        rows.select_related("series")
        .defer("frame_index")
        .order_by(
            F("series__series_number").asc(nulls_last=True),
            "series_id",
            F("instance_number").asc(nulls_last=True),
            "id",
        )
    )
    page, more = _page(rows, query)
    root = dicomweb_root(study.site_slug)
    return Found([instance_attributes(row, study.study_instance_uid, root) for row in page], more)
