"""Worklist items of orders, and whether a query asks for them (PS3.4 K.2.2.1, C.2.2.2)."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from typing import Any

from pydicom import Dataset, Sequence
from pydicom.dataelem import DataElement

START = ("ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime")
STATUS = {"scheduled": "SCHEDULED", "in_progress": "STARTED"}
# Values of these are matched without regard to case and accents (PS3.4 C.2.2.2.1).
NAMES = frozenset({"PN"})
# Wildcards mean something in these only (PS3.4 C.2.2.2.4).
WILD = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
RANGES = {"DA": 8, "TM": 6}


# What queries ask for most: compared before an item is made, which costs a millisecond.
PLAIN = {
    "AccessionNumber": "accession_number",
    "PatientID": "patient_id",
    "PatientName": "patient_name",
    "StudyInstanceUID": "study_instance_uid",
}
PLAIN_OF_STEP = {
    "Modality": "modality",
    "ScheduledStationAETitle": "scheduled_station_ae_title",
    "ScheduledProcedureStepStartDate": "scheduled_date",
}


def answers(query: Dataset, orders: list[dict[str, Any]]) -> list[Dataset]:
    """What a query is answered, an item for each order that fits."""
    steps = query.get("ScheduledProcedureStepSequence") or []
    step = steps[0] if len(steps) == 1 else Dataset()
    keys = _plain_keys(query, PLAIN)
    if _moment(step) is None:
        keys += _plain_keys(step, PLAIN_OF_STEP)
    found = (
        answer(query, item(order))
        for order in orders
        if all(
            any(_fits(value, order[field].strip(), vr) for value in values)
            for field, vr, values in keys
        )
    )
    return [each for each in found if each is not None]


def _plain_keys(level: Dataset, fields: dict[str, str]) -> list[tuple[str, str, list[str]]]:
    """Column, VR and values of the keys that want something."""
    found = []
    for keyword, field in fields.items():
        if keyword in level and not _is_universal(level[keyword]):
            found.append((field, level[keyword].VR, _values(level[keyword])))
    return found


def item(order: dict[str, Any]) -> Dataset:
    """The worklist item of an order: everything that a query may ask for (PS3.4 K.6.1.2.2)."""
    data = Dataset()
    data.AccessionNumber = order["accession_number"]
    if order["issuer_of_accession_number"]:
        issuer = Dataset()
        issuer.LocalNamespaceEntityID = order["issuer_of_accession_number"]
        data.IssuerOfAccessionNumberSequence = Sequence([issuer])
    data.ReferringPhysicianName = order["referring_physician_name"]
    data.PatientName = order["patient_name"]
    data.PatientID = order["patient_id"]
    data.IssuerOfPatientID = order["issuer_of_patient_id"]
    data.PatientBirthDate = order["patient_birth_date"]
    data.PatientSex = order["patient_sex"]
    data.StudyInstanceUID = order["study_instance_uid"]
    data.RequestedProcedureID = order["requested_procedure_id"]
    data.RequestedProcedureDescription = order["requested_procedure_description"]
    data.RequestedProcedurePriority = order["priority"]
    data.ReasonForTheRequestedProcedure = order["reason"].replace("\n", " ")[:64]
    data.RequestedProcedureComments = order["reason"][:10_240]
    data.PlacerOrderNumberImagingServiceRequest = order["placer_order_number"]
    data.FillerOrderNumberImagingServiceRequest = order["filler_order_number"]
    codes = _codes(order)
    if codes:
        data.RequestedProcedureCodeSequence = Sequence(codes)
    step = Dataset()
    step.Modality = order["modality"]
    step.ScheduledStationAETitle = order["scheduled_station_ae_title"]
    step.ScheduledProcedureStepStartDate = order["scheduled_date"]
    step.ScheduledProcedureStepStartTime = order["scheduled_time"]
    step.ScheduledPerformingPhysicianName = ""
    step.ScheduledProcedureStepDescription = order["requested_procedure_description"]
    step.ScheduledProcedureStepID = order["scheduled_procedure_step_id"]
    step.ScheduledProcedureStepStatus = STATUS.get(order["status"], "")
    if codes:
        step.ScheduledProtocolCodeSequence = Sequence(_codes(order))
    data.ScheduledProcedureStepSequence = Sequence([step])
    return data


def _codes(order: dict[str, Any]) -> list[Dataset]:
    if not order["requested_procedure_code"] or not order["requested_procedure_scheme"]:
        return []
    code = Dataset()
    code.CodeValue = order["requested_procedure_code"]
    code.CodingSchemeDesignator = order["requested_procedure_scheme"]
    code.CodeMeaning = order["requested_procedure_description"]
    return [code]


def answer(query: Dataset, found: Dataset) -> Dataset | None:
    """What is returned of an item: the elements that the query names. None where it does not fit.

    An element that no item has is not matched by, and comes back empty.
    """
    moment = _moment(query)
    if moment is not None and not _at(found, *moment):
        return None
    result = Dataset()
    for element in query:
        tag = element.tag
        if tag == 0x00080005 or element.tag.element == 0:
            continue
        ours = found[tag] if tag in found else None  # noqa: SIM401 -- get gives the value
        if element.VR == "SQ":
            items = _sequence(element, ours)
            if items is None:
                return None
            result.add(DataElement(tag, "SQ", Sequence(items)))
            continue
        if ours is None:
            result.add(DataElement(tag, element.VR, None))
            continue
        together = moment is not None and element.keyword in START
        if not together and not _is_universal(element) and not fits(element, ours):
            return None
        result.add(ours)
    return result


def _sequence(element: DataElement, ours: DataElement | None) -> list[Dataset] | None:
    """The items that fit the key's one item; None where it wants something and none fits."""
    wanted = element.value[0] if element.value else Dataset()
    if ours is None:
        asks = any(not _is_universal(each) for each in wanted if each.VR != "SQ")
        return None if asks else []
    if not len(wanted):
        return list(ours.value)
    fitting = [answer(wanted, each) for each in ours.value]
    kept = [each for each in fitting if each is not None]
    return kept or None


def _is_universal(element: DataElement) -> bool:
    """An empty key, or a lone `*`, fits everything (PS3.4 C.2.2.2.3)."""
    return element.is_empty or str(element.value).strip() in ("", "*")


def fits(key: DataElement, ours: DataElement) -> bool:
    """Whether the value fits the key: list of UIDs, range, wildcards or single value."""
    have = "" if ours.is_empty else str(ours.value)
    return any(_fits(value, have.strip(), key.VR) for value in _values(key))


def _values(key: DataElement) -> list[str]:
    return [str(value).strip() for value in (key.value if key.VM > 1 else [key.value])]


def _fits(key: str, have: str, vr: str) -> bool:
    if vr in RANGES:
        low, high = bounds(key, RANGES[vr])
        return bool(have) and low <= _padded(have, RANGES[vr], "0") <= high
    if vr in NAMES:
        return _name_fits(_folded(key), _folded(have))
    if vr in WILD and ("*" in key or "?" in key):
        return _like(key, have)
    return key == have


def bounds(key: str, length: int) -> tuple[str, str]:
    """Lowest and highest value of a date or time key: `a`, `a-b`, `-b` or `a-`."""
    text = key.replace(":", "").replace(".", "") if length == 8 else key.replace(":", "")
    if "-" not in text:
        return _padded(text, length, "0"), _padded(text, length, "9")
    low, _, high = text.partition("-")
    return (
        _padded(low, length, "0") if low else "",
        _padded(high, length, "9") if high else "~",
    )


def _padded(text: str, length: int, with_: str) -> str:
    return text.strip().partition(".")[0][:length].ljust(length, with_)


def _moment(query: Dataset) -> tuple[str, str] | None:
    """Ranges of start date and time together are one range of moments (PS3.4 C.2.2.2.5)."""
    day, time = (str(query.get(keyword) or "") for keyword in START)
    if "-" not in day or "-" not in time:
        return None
    low_day, high_day = bounds(day, 8)
    low_time, high_time = bounds(time, 6)
    return low_day + (low_time or "000000"), high_day + min(high_time, "999999")


def _at(step: Dataset, low: str, high: str) -> bool:
    day, time = (str(step.get(keyword) or "") for keyword in START)
    at = _padded(day, 8, "0") + _padded(time, 6, "0")
    return low <= at <= high


def _like(key: str, have: str) -> bool:
    pattern = re.escape(key).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, have, re.DOTALL) is not None


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(each for each in decomposed if not unicodedata.combining(each)).casefold()


def _name_fits(key: str, have: str) -> bool:
    """A component group of the name fits the key; without wildcards the whole name or its group."""
    groups = [have, *have.split("=")]
    if "*" in key or "?" in key:
        return any(fnmatch.fnmatchcase(group, _literal(key)) for group in groups)
    wanted = key.rstrip("^=")
    return any(group.rstrip("^=") == wanted for group in groups)


def _literal(key: str) -> str:
    return key.replace("[", "[[]")
