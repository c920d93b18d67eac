"""What ORU^R01 says of reports: text and PDF of each OBR (chapter 7.2, 7.4)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from agents.site.hl7.message import Message, Segment, Unacceptable

RESULT = "ORU^R01"
MOST_REPORTS = 20
MOST_TEXT = 60_000
MOST_PDF = 20 * 2**20
"""Bytes. `max_message_kb` of `[hl7]` bounds the message."""

TEXTS = ("TX", "FT")
VALUES = ("ST", "NM", "CE", "CWE", "SN", "DT", "TS", "IS", "ID")
# Tables 0085 and 0123; the strongest word of an OBR's OBX counts.
WITHDRAWN, CORRECTED, PRELIMINARY, FINAL = "withdrawn", "corrected", "preliminary", "final"
OF_OBX = {
    **dict.fromkeys("WDX", WITHDRAWN),
    **dict.fromkeys("CU", CORRECTED),
    **dict.fromkeys("PRSI", PRELIMINARY),
}
ORDER = (CORRECTED, WITHDRAWN, PRELIMINARY)


def reports(message: Message, patient: dict[str, Any]) -> list[dict[str, Any]]:
    """A report for each OBR that has OBX. Raises Unacceptable."""
    groups = [group for group in message.groups("OBR") if any(s.name == "OBX" for s in group)]
    if not groups:
        raise Unacceptable("AE", "there is no OBR with OBX segments")
    if len(groups) > MOST_REPORTS:
        raise Unacceptable("AE", f"there are more than {MOST_REPORTS} reports")
    orc = message.first("ORC")
    return [{**patient, **_report(group, orc)} for group in groups]


def _report(group: list[Segment], orc: Segment | None) -> dict[str, Any]:
    obr, *others = group
    observations = [each for each in others if each.name == "OBX"]
    text = "\n".join(line for each in observations if (line := _text(each)) is not None).strip()
    if len(text) > MOST_TEXT:
        raise Unacceptable("AE", f"a report has more than {MOST_TEXT} characters")
    status = _status(obr, observations)
    pdf = next((data for each in observations if (data := _pdf(each))), "")
    if not text and not pdf and status != WITHDRAWN:
        raise Unacceptable("AE", "a report has neither text nor a PDF")
    told = {
        "accession_number": _short(obr.get(18), 16),
        "placer_order_number": _short(obr.get(2) or (orc.get(2) if orc else ""), 64),
        "filler_order_number": _short(obr.get(3) or (orc.get(3) if orc else ""), 64),
        "procedure_code": _short(obr.get(4), 60),
        "title": _short(obr.get(4, 2) or obr.get(4), 160),
        "observed": _time(obr),
        "status": status,
        "text": text,
        "pdf": pdf,
    }
    # Many a RIS has the accession number where the filler's belongs (IHE RAD-4 6.4).
    if not told["accession_number"] and len(told["filler_order_number"]) <= 16:
        told["accession_number"] = told["filler_order_number"]
    return {name: value for name, value in told.items() if value}


def _status(obr: Segment, observations: list[Segment]) -> str:
    found = {OF_OBX.get(each.get(11).upper(), FINAL) for each in observations}
    if found == {FINAL}:
        found = {OF_OBX.get(obr.get(25).upper(), FINAL)}
    if found == {WITHDRAWN}:
        return WITHDRAWN
    # Lines that are taken back beside others that stay are a correction.
    if WITHDRAWN in found:
        return CORRECTED
    return next((each for each in ORDER if each in found), FINAL)


def _text(obx: Segment) -> str | None:
    """The line or lines of an OBX; None where it holds no text or is taken back."""
    kind = obx.get(2).upper()
    if kind not in TEXTS + VALUES or OF_OBX.get(obx.get(11).upper()) == WITHDRAWN:
        return None
    lines = [
        obx.get(5, 2 if kind in ("CE", "CWE") and obx.get(5, 2, repetition=each) else 1,
                repetition=each)
        for each in range(min(obx.repetitions(5), 2000))
    ]  # fmt: skip
    text = "\n".join(lines)
    if kind in TEXTS:
        return text
    name, unit = obx.get(3, 2) or obx.get(3), obx.get(6, 2) or obx.get(6)
    return ": ".join(part for part in (name, f"{text} {unit}".strip()) if part)


def _pdf(obx: Segment) -> str:
    """The PDF of an ED value (2A.24) as base64 without white space; "" where it is none."""
    if obx.get(2).upper() != "ED":
        return ""
    kinds = {obx.get(5, 2).upper(), obx.get(5, 3).upper()}
    if "PDF" not in kinds and not any(kind.endswith("/PDF") for kind in kinds):
        return ""
    if obx.get(5, 4).upper() != "BASE64":
        raise Unacceptable("AE", "a PDF is not in base64")
    data = re.sub(r"\s", "", obx.get(5, 5))
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Unacceptable("AE", "a PDF is not in base64") from None
    if not raw.startswith(b"%PDF-"):
        raise Unacceptable("AE", "what is called a PDF is none")
    if len(raw) > MOST_PDF:
        raise Unacceptable("AE", f"a PDF has more than {MOST_PDF} bytes")
    return data


def _time(obr: Segment) -> str:
    """OBR-7, else OBR-22; "" where neither is a time stamp with a day."""
    for field in (7, 22):
        found = obr.get(field)
        if re.fullmatch(r"\d{8,14}(\.\d{1,4})?([+-]\d{4})?", found, re.ASCII):
            return found
    return ""


def _short(text: str, longest: int) -> str:
    """A number or name that is too long to be one is left out rather than cut to another."""
    text = text.replace("\n", " ").strip()
    return text if len(text) <= longest else ""
