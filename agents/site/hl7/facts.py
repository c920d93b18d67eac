"""What ORM^O01, ADT and ORU^R01 messages say of orders, patients and reports, for the portal.

A field that the message does not hold is left out; `""` empties it. docs/agent.md has the table.
"""

from __future__ import annotations

import re
from typing import Any

from agents.site.hl7 import results
from agents.site.hl7.message import Message, Segment, Unacceptable

ORDER = "ORM^O01"
MERGE = "ADT^A40"
PATIENT = ("ADT^A01", "ADT^A04", "ADT^A08")
TYPES = (ORDER, *PATIENT, MERGE, results.RESULT)
MOST_ORDERS = 50

CONTROLS = {
    "NW": "new",
    **dict.fromkeys(("XO", "XX", "SC", "RP"), "change"),
    **dict.fromkeys(("CA", "OC", "DC", "CR"), "cancel"),
}
# ORC-5, table 0038.
STATUSES = {"SC": "scheduled", "IP": "in_progress", "CM": "completed", "CA": "cancelled"}
# Table 0485 and the older priorities of TQ.6.
PRIORITIES = {"S": 0, "STAT": 0, "A": 1, "ASAP": 1, "U": 1, "R": 2, "ROUTINE": 2, "T": 2}
SEXES = {"M": "M", "F": "F", "O": "O", "A": "O", "U": "", "N": "", "": ""}


def told(message: Message) -> dict[str, Any]:
    """`orders`, `patient` or `reports` of a message. Raises Unacceptable."""
    kind = type_of(message)
    if kind not in TYPES:
        raise Unacceptable("AR", f"messages of this type are not taken: {', '.join(TYPES)} are")
    pid = message.first("PID")
    if pid is None:
        raise Unacceptable("AE", "there is no PID segment")
    if kind == results.RESULT:
        return {"reports": results.reports(message, _patient(pid))}
    if kind == ORDER:
        return {"orders": _orders(message, _patient(pid))}
    if kind != MERGE:
        return {"patient": _patient(pid)}
    merged = message.first("MRG")
    if merged is None:
        raise Unacceptable("AE", "there is no MRG segment")
    prior, issuer = _identity(merged, 1, "MRG-1")
    patient = _patient(pid)
    if (prior, issuer) == (patient["patient_id"], patient["issuer_of_patient_id"]):
        raise Unacceptable("AE", "PID-3 and MRG-1 are the same patient")
    return {"patient": {**patient, "prior_patient_id": prior, "prior_issuer_of_patient_id": issuer}}


def type_of(message: Message) -> str:
    """MSH-9.1 and MSH-9.2."""
    return f"{message.header.get(9)}^{message.header.get(9, 2)}"


def _orders(message: Message, patient: dict[str, Any]) -> list[dict[str, Any]]:
    groups = list(message.groups("ORC"))
    if not groups:
        raise Unacceptable("AE", "there is no ORC segment")
    if len(groups) > MOST_ORDERS:
        raise Unacceptable("AE", f"there are more than {MOST_ORDERS} orders")
    visit = message.first("PV1")
    return [{**patient, **_order(group, visit)} for group in groups]


def _order(group: list[Segment], visit: Segment | None) -> dict[str, Any]:
    orc = group[0]
    obr = next((each for each in group if each.name == "OBR"), None)
    control = CONTROLS.get(orc.get(1).upper())
    if control is None:
        raise Unacceptable("AE", f"ORC-1 must be one of {', '.join(CONTROLS)}")
    if obr is None and control == "new":
        raise Unacceptable("AE", "a new order has no OBR segment")
    found: dict[str, Any] = {"control": control}
    found.update(_numbers(orc, obr, control))
    if status := STATUSES.get(orc.get(5).upper()):
        found["status"] = status
    _keep(found, "referring_physician_name", _physician(orc, obr, visit), 324)
    _timing(found, orc, obr, group)
    if obr is not None:
        _procedure(found, obr)
    zds = next((each for each in group if each.name == "ZDS"), None)
    uid = zds.get(1) if zds else ""
    if uid:
        if len(uid) > 64 or re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+", uid) is None:
            raise Unacceptable("AE", "ZDS-1 is no UID")
        found["study_instance_uid"] = uid
    return found


def _numbers(orc: Segment, obr: Segment | None, control: str) -> dict[str, str]:
    """Placer's and filler's number, and the accession number where OBR-18 has it (IHE RAD-4).

    Without OBR-18 the portal takes the filler's number for it, else the placer's.
    """
    placer = orc.get(2) or (obr.get(2) if obr else "")
    filler = orc.get(3) or (obr.get(3) if obr else "")
    if not (placer or filler):
        raise Unacceptable("AE", "an order has neither ORC-2 nor ORC-3")
    given = obr.get(18) if obr else ""
    if len(given) > 16 or (control == "new" and not given and len(filler or placer) > 16):
        raise Unacceptable("AE", "the accession number has more than the 16 characters of DICOM")
    source = 3 if given or filler else 2
    issuer = orc.get(source, 2) or (obr.get(source, 2) if obr else "")
    return {
        "placer_order_number": _bounded(placer, 64, "ORC-2"),
        "filler_order_number": _bounded(filler, 64, "ORC-3"),
        "issuer_of_accession_number": _bounded(issuer, 64, "the issuer of the order's number"),
        **({"accession_number": given} if given else {}),
    }


def _physician(orc: Segment, obr: Segment | None, visit: Segment | None) -> str | None:
    places = [(visit, 8), (obr, 16), (orc, 12)]
    for segment, number in places:
        if segment is not None and segment.raw(number):
            # XCN: the name begins at the second component.
            return _person(segment, number, 0, 1)
    return None


def _timing(found: dict[str, Any], orc: Segment, obr: Segment | None, group: list[Segment]) -> None:
    """Start and priority: of TQ1, else of ORC-7 and OBR-27 (TQ), else of OBR-36, OBR-5."""
    tq1 = next((each for each in group if each.name == "TQ1"), None)
    starts = [tq1.value(7) if tq1 else None, orc.value(7, 4)]
    priorities = [tq1.get(9) if tq1 else "", orc.get(7, 6)]
    if obr is not None:
        starts += [obr.value(27, 4), obr.value(36), obr.value(6)]
        priorities += [obr.get(27, 6), obr.get(5)]
    start = next((each for each in starts if each is not None), None)
    if start is not None:
        if start and re.fullmatch(r"\d{8,14}(\.\d{1,4})?([+-]\d{4})?", start, re.ASCII) is None:
            raise Unacceptable("AE", "the scheduled time is no time stamp with a day")
        found["scheduled"] = start
    priority = next((each for each in priorities if each), "")
    if priority:
        found["priority"] = PRIORITIES.get(priority.upper(), 2)


def _procedure(found: dict[str, Any], obr: Segment) -> None:
    _keep(found, "requested_procedure_code", obr.value(4, 1), 16)
    _keep(found, "requested_procedure_scheme", obr.value(4, 3), 16)
    text = obr.value(4, 2)
    _keep(found, "requested_procedure_description", text if text else obr.value(4, 1), 64)
    _keep(found, "requested_procedure_id", obr.value(19), 16)
    _keep(found, "scheduled_procedure_step_id", obr.value(20), 16)
    _keep(found, "scheduled_station_ae_title", obr.value(21), 16)
    _keep(found, "modality", obr.value(24), 16)
    reasons = [obr.value(31, 2) or obr.value(31), obr.value(13)]
    if any(each is not None for each in reasons):
        found["reason"] = "\n".join(each for each in reasons if each)[:10_000]


def _keep(found: dict[str, Any], name: str, value: str | None, longest: int) -> None:
    if value is not None:
        found[name] = value.replace("\n", " ")[:longest].strip()


def _bounded(text: str, longest: int, what: str) -> str:
    if len(text) > longest:
        raise Unacceptable("AE", f"{what} has more than {longest} characters")
    return text


def _patient(pid: Segment) -> dict[str, Any]:
    number, issuer = _identity(pid, 3, "PID-3")
    found: dict[str, Any] = {"patient_id": number, "issuer_of_patient_id": issuer}
    if pid.raw(5).strip():
        found["patient_name"] = _name(pid)
    birth = pid.value(7)
    if birth is not None:
        if birth and re.fullmatch(r"\d{4,14}(\.\d{1,4})?([+-]\d{4})?", birth, re.ASCII) is None:
            raise Unacceptable("AE", "PID-7 is no date")
        # A year alone is no birth date that could be compared.
        found["patient_birth_date"] = birth[:8] if len(birth) >= 8 else ""
    sex = pid.value(8)
    if sex is not None:
        if sex.upper() not in SEXES:
            raise Unacceptable("AE", "PID-8 is none of the codes of table 0001")
        found["patient_sex"] = SEXES[sex.upper()]
    return found


def _identity(segment: Segment, field: int, what: str) -> tuple[str, str]:
    """The patient's number and its issuer: of the repetition of type MR or PI, else the first."""
    count = min(segment.repetitions(field), 20)
    chosen = next(
        (each for each in range(count) if segment.get(field, 5, repetition=each) in {"MR", "PI"}),
        0,
    )
    number = segment.get(field, repetition=chosen)
    if not number:
        raise Unacceptable("AE", f"{what} is missing")
    issuer = segment.get(field, 4, repetition=chosen)
    return _bounded(number, 64, what), _bounded(issuer, 64, f"the issuer of {what}")


def _name(pid: Segment) -> str:
    """PID-5 as a person name (PS3.5 6.2.1): alphabetic, ideographic, phonetic by XPN.8."""
    groups = {"A": "", "I": "", "P": ""}
    for repetition in range(min(pid.repetitions(5), 10)):
        kind = pid.get(5, 8, repetition=repetition).upper() or "A"
        if kind in groups and not groups[kind]:
            groups[kind] = _person(pid, 5, repetition, 0)
    name = "=".join(groups.values()).rstrip("=")
    return _bounded(name, 324, "PID-5")


def _person(segment: Segment, field: int, repetition: int, before: int) -> str:
    """Family, given, middle, suffix and prefix as DICOM orders them: prefix before suffix."""

    def part(number: int) -> str:
        text = segment.get(field, before + number, repetition=repetition)
        return re.sub(r"[\^=\\\n]", " ", text)[:64].strip()

    family, given, middle, suffix, prefix = (part(number) for number in range(1, 6))
    return "^".join((family, given, middle, prefix, suffix)).rstrip("^")
