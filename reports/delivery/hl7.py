"""ORU^R01 (HL7 2.5.1, 7.3.1) from the fields that a site agent would be given. Pure.

The same fields as `send-oru` of the agent protocol, so that a receiver gets the same report by
either way.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime

CHARSETS = {
    "UNICODE UTF-8": "utf-8",
    "8859/1": "iso-8859-1",
    "8859/15": "iso-8859-15",
    "ASCII": "ascii",
}
"""MSH-18 (table 0211) and Python's names of them."""

FINAL, WITHDRAWN, CORRECTED = "F", "W", "C"


@dataclass(frozen=True, slots=True)
class Header:
    """Who sends to whom: MSH-3 to 6 and 18."""

    sending_application: str = "LIGHTBOX"
    sending_facility: str = "LIGHTBOX"
    receiving_application: str = "HIS"
    receiving_facility: str = "HOSPITAL"
    charset: str = "UNICODE UTF-8"


_ESCAPES = {
    "\\": "\\E\\",
    "|": "\\F\\",
    "^": "\\S\\",
    "~": "\\R\\",
    "&": "\\T\\",
    "\r": "\\.br\\",
    "\n": "\\.br\\",
}


def escape(text: str) -> str:
    """Text of a field: delimiters escaped, line breaks as `\\.br\\` (2.7)."""
    plain = "".join(each for each in text.replace("\r\n", "\n") if each in "\r\n\t" or each >= " ")
    return "".join(_ESCAPES.get(letter, letter) for letter in plain)


def message(
    header: Header, control_id: str, report: dict[str, str], text: str, pdf: bytes
) -> bytes:
    """One message in the receiver's character set, without the frame; what that does not have
    becomes `?`. OBX-11 is W for a report that was withdrawn (table 0085), OBR-25 then C."""

    def field(name: str) -> str:
        return escape(report.get(name, ""))

    def numbered(name: str) -> str:
        value = field(name)
        return f"{value}^{escape(header.sending_application)}" if value else ""

    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    status = report.get("status", FINAL)
    procedure = "^".join((field("procedureCode"), field("procedureText"), field("procedureScheme")))
    obr = {
        1: "1",
        2: numbered("placerOrderNumber"),
        3: numbered("fillerOrderNumber") or numbered("accessionNumber"),
        4: procedure.rstrip("^") or "RPT^Report",
        7: field("observedAt"),
        18: field("accessionNumber"),
        22: now,
        25: CORRECTED if status == WITHDRAWN else status,
        32: _person(report.get("physician", "")),
    }
    identity = f"{field('patientId')}^^^{field('issuerOfPatientId')}^MR"
    person = _person(report.get("patientName", ""))
    segments = [
        [
            *("MSH", "^~\\&", escape(header.sending_application)),
            *(escape(header.sending_facility), escape(header.receiving_application)),
            *(escape(header.receiving_facility), now, "", "ORU^R01^ORU_R01", control_id),
            *("P", "2.5.1", "", "", "", "", "", header.charset),
        ],
        [
            *("PID", "1", "", identity, "", person),
            *("", field("patientBirthDate"), field("patientSex")),
        ],
        ["ORC", "RE", obr[2], obr[3]],
        ["OBR", *(obr.get(number, "") for number in range(1, 33))],
    ]
    values = []
    if uid := field("studyInstanceUid"):
        values.append(("ST", "113014^DICOM Study^DCM", uid))
    if text:
        values.append(("TX", "RPT^Report", escape(text)))
    if pdf:
        data = base64.b64encode(pdf).decode()
        values.append(("ED", "PDF^Report as PDF", f"^application^pdf^Base64^{data}"))
    for number, (kind, code, value) in enumerate(values, 1):
        segments.append(["OBX", str(number), kind, code, "", value, "", "", "", "", "", status])
    lines = ["|".join(segment).rstrip("|") for segment in segments]
    return ("\r".join(lines) + "\r").encode(CHARSETS[header.charset], "replace")


def _person(name: str) -> str:
    """A DICOM person name as XPN: DICOM's prefix comes before the suffix, HL7's after."""
    parts = [*name.split("=")[0].split("^"), "", "", "", "", ""][:5]
    family, given, middle, prefix, suffix = (escape(part) for part in parts)
    return "^".join((family, given, middle, suffix, prefix)).rstrip("^")
