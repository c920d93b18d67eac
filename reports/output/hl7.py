r"""ORU^R01 of a version (HL7 v2.5.1, 7.3.1): for a site's agent, and as ER7 for direct MLLP.

Patient and order are those that the version was signed on, so that a recall finds what it recalls.
A withdrawal sends every observation again with OBX-11 `W` (table 0085) and no finding in it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from reports.models import ReportVersion, VersionKind
from reports.output import markup, plain, shown
from reports.output.pdf import pdf
from reports.output.shown import Shown
from studies.models import Study

PRELIMINARY, FINAL, CORRECTED, WRONG = "P", "F", "C", "W"
MOST_TEXT = 100_000
MOST_INLINE = 160_000
"""Characters of Base64 that fit into a command to an agent; a larger PDF is fetched."""

CHARSETS = {"UNICODE UTF-8": "utf-8", "8859/1": "iso8859_1", "8859/15": "iso8859_15"}
# OBX-3 by our section keys; LOINC.
OBSERVATIONS = {
    "clinical_information": ("55752-0", "Clinical information"),
    "technique": ("55111-9", "Current imaging procedure descriptions"),
    "comparison": ("18834-2", "Radiology Comparison study"),
    "findings": ("18782-3", "Radiology Study observation"),
    "impression": ("19005-8", "Radiology Imaging study [Impression]"),
    "addendum": ("55107-7", "Addendum Document"),
}
REPORT = ("18748-4", "Diagnostic imaging study")
_ESCAPES = {"|": "F", "^": "S", "~": "R", "\\": "E", "&": "T"}
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """MSH-3 to MSH-6 and MSH-18."""

    sending_application: str = "LIGHTBOX"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    charset: str = "UNICODE UTF-8"


def oru(
    version: ReportVersion, *, withdrawn: bool = False, with_pdf: bool = True
) -> dict[str, Any]:
    """Parameters of the agent's `send-oru` but for its `receiver`: `controlId`, `report`, `text`,
    and of the PDF `pdfSha256` and `pdf` (Base64); the latter is left out where it is too long for
    a command, then `pdfPath` has to say where it is fetched.

    Raises what `pdf` raises.
    """
    found = shown.of_version(version)
    status = status_of(version, withdrawn=withdrawn)
    text = plain.withdrawn_words(found) if status == WRONG else plain.whole(found)
    params: dict[str, Any] = {
        "controlId": control_id(version, withdrawn=withdrawn),
        "report": _fitting(_report(version, status)),
        "text": text[:MOST_TEXT],
    }
    if with_pdf and _has_pdf(version, status):
        document = pdf(version)
        encoded = base64.b64encode(document).decode()
        params["pdfSha256"] = hashlib.sha256(document).hexdigest()
        if len(encoded) <= MOST_INLINE:
            params["pdf"] = encoded
    return params


def er7(
    version: ReportVersion,
    ends: Ends | None = None,
    *,
    withdrawn: bool = False,
    with_pdf: bool = True,
    message_id: str = "",
) -> bytes:
    """The message without its MLLP frame, segments ended by CR.

    `message_id`: MSH-10, at most 20 characters; the version's where it is not given. Letters that
    the character set does not have become "?". Raises what `pdf` raises.
    """
    ends = ends or Ends()
    found = shown.of_version(version)
    status = status_of(version, withdrawn=withdrawn)
    report = _report(version, status)
    segments = [
        _msh(ends, message_id or control_id(version, withdrawn=withdrawn)),
        _pid(report),
        _segment("PV1", {1: "1", 2: "U", 8: _person(report["referrer"])}),
        _segment("ORC", {1: "RE", 2: _number(report, ends), 3: _number(report, ends, "filler")}),
        _obr(version, report, ends, status),
        *_observations(version, found, status, with_pdf=with_pdf),
    ]
    text = "".join(f"{segment}\r" for segment in segments)
    return text.encode(CHARSETS[ends.charset], "replace")


def status_of(version: ReportVersion, *, withdrawn: bool = False) -> str:
    """OBX-11 (table 0085): preliminary, final, corrected, or posted as wrong."""
    if withdrawn or version.kind == VersionKind.WITHDRAWAL:
        return WRONG
    if version.kind == VersionKind.PRELIMINARY:
        return PRELIMINARY
    earlier = ReportVersion.objects.filter(report=version.report_id, number__lt=version.number)
    final = (VersionKind.FINAL, VersionKind.ADDENDUM)
    return CORRECTED if earlier.filter(kind__in=final).exists() else FINAL


def control_id(version: ReportVersion, *, withdrawn: bool = False) -> str:
    """MSH-10: always the same for the same message, so that a receiver knows a repetition."""
    return f"LB{version.pk}{WRONG if withdrawn else ''}"


def escape(text: str) -> str:
    r"""Text as a field may hold it (2.7): delimiters by name, lines as `\.br\`."""
    lines = markup.clean_text(text).replace("\r\n", "\n").replace("\r", "\n")
    lines = _CONTROLS.sub(" ", lines)
    return "".join(
        f"\\{_ESCAPES[letter]}\\" if letter in _ESCAPES else "\\.br\\" if letter == "\n" else letter
        for letter in lines
    )


def _has_pdf(version: ReportVersion, status: str) -> bool:
    """A recall of an earlier version has no document; that of the withdrawal is marked as such."""
    return status != WRONG or version.kind == VersionKind.WITHDRAWAL


def _report(version: ReportVersion, status: str) -> dict[str, str]:
    """What the message says of patient, order and report, in the names of `send-oru`."""
    content = version.content
    patient, study = content.get("patient") or {}, content.get("study") or {}
    order = (
        Study.objects.get(pk=version.report.study_id).orders.order_by("-id").first()
        if version.report_id
        else None
    )
    said = {
        "patientId": patient.get("id"),
        "issuerOfPatientId": patient.get("issuer"),
        "patientName": patient.get("name"),
        "patientBirthDate": patient.get("birth_date"),
        "patientSex": patient.get("sex"),
        "placerOrderNumber": order.placer_order_number if order else "",
        "fillerOrderNumber": order.filler_order_number if order else "",
        "accessionNumber": study.get("accession_number"),
        "procedureCode": order.requested_procedure_code if order else "",
        "procedureText": (order.requested_procedure_description if order else "")
        or study.get("description"),
        "procedureScheme": order.requested_procedure_scheme if order else "",
        "observedAt": _observed(study),
        "status": status,
        "physician": _signer(version),
        "studyInstanceUid": study.get("uid"),
        "referrer": study.get("referring_physician"),
    }
    return {name: str(value or "") for name, value in said.items()}


# What `report` of `send-oru` may hold (docs/agent.md), where it is less than we may have.
LONGEST = {
    "accessionNumber": 16,
    "patientBirthDate": 8,
    "patientSex": 1,
    "procedureCode": 16,
    "procedureScheme": 16,
    "procedureText": 64,
    "observedAt": 20,
}
_CUT = ("procedureText",)


def _fitting(report: dict[str, str]) -> dict[str, str]:
    """Without what is empty; numbers that are too long are left out, for half of one is another."""
    fitting = {}
    for name, value in report.items():
        longest = LONGEST.get(name, 324)
        if name in _CUT:
            value = value[:longest]
        if name != "referrer" and value and len(value) <= longest:
            fitting[name] = value
    return fitting


def _observed(study: dict[str, Any]) -> str:
    day = re.match(r"\d{8}", str(study.get("date") or ""))
    time = re.match(r"\d{4}(\d{2})?", str(study.get("time") or ""))
    return (day.group() + (time.group() if time else "")) if day else ""


def _signer(version: ReportVersion) -> str:
    """The signer's name as DICOM writes it."""
    user, name = version.signer, str((version.content.get("signer") or {}).get("name") or "")
    if user.last_name and (not name or name == str(user)):
        return f"{user.last_name}^{user.first_name}".rstrip("^")
    return name.replace("^", " ")


def _segment(name: str, fields: dict[int, str]) -> str:
    last = max(fields, default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))]).rstrip("|")


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%d%H%M%S}+0000"


def _msh(ends: Ends, message_id: str) -> str:
    names = (
        ends.sending_application,
        ends.sending_facility,
        ends.receiving_application,
        ends.receiving_facility,
    )
    fields = ["MSH", "^~\\&", *map(escape, names), _stamp(timezone.now()), ""]
    fields += ["ORU^R01^ORU_R01", escape(message_id[:20]), "P", "2.5.1", "", "", "AL", "NE", ""]
    return "|".join([*fields, ends.charset])


def _pid(report: dict[str, str]) -> str:
    issuer = escape(report["issuerOfPatientId"])
    return _segment(
        "PID",
        {
            1: "1",
            3: f"{escape(report['patientId'])}^^^{issuer}^MR",
            5: _names(report["patientName"]),
            7: escape(report["patientBirthDate"]),
            8: escape(report["patientSex"]),
        },
    )


def _number(report: dict[str, str], ends: Ends, which: str = "placer") -> str:
    number = report[f"{which}OrderNumber"]
    if which == "filler":
        number = number or report["accessionNumber"]
    return f"{escape(number)}^{escape(ends.sending_application)}" if number else ""


def _obr(version: ReportVersion, report: dict[str, str], ends: Ends, status: str) -> str:
    coded = (report["procedureCode"], report["procedureText"], report["procedureScheme"])
    procedure = "^".join(escape(part) for part in coded).rstrip("^")
    family, _, rest = report["physician"].partition("^")
    return _segment(
        "OBR",
        {
            1: "1",
            2: _number(report, ends),
            3: _number(report, ends, "filler"),
            4: procedure or "^".join((*REPORT, "LN")),
            7: report["observedAt"],
            16: _person(report["referrer"]),
            18: escape(report["accessionNumber"]),
            22: _stamp(version.signed_at),
            24: "RAD",
            # Table 0123 has no W: the results are corrected, by being wrong.
            25: CORRECTED if status == WRONG else status,
            32: f"&{escape(family)}&{escape(rest.split('^')[0])}".rstrip("&"),
        },
    )


def _observations(
    version: ReportVersion, found: Shown, status: str, *, with_pdf: bool
) -> list[str]:
    """OBX segments: the study's UID, one for each section, the PDF."""
    told: list[tuple[str, str, str]] = []
    uid = str((version.content.get("study") or {}).get("uid") or "")
    if uid:
        told.append(("ST", "113014^DICOM Study^DCM", escape(uid)))
    for part in found.parts:
        for key, title, lines in plain.sections(part.content):
            name = _observation("addendum" if part.is_addendum else key, title)
            told.append(("FT", name, escape("\n".join(lines))))
        if measured := plain.measurement_lines(part.content):
            told.append(("FT", _observation("findings", ""), escape("\n".join(measured))))
    if status == WRONG:
        words = escape(plain.withdrawn_words(found))
        told = [(kind, name, words if kind == "FT" else value) for kind, name, value in told]
        if not any(kind == "FT" for kind, _, _ in told):
            told.append(("FT", _observation("", ""), words))
    if with_pdf and _has_pdf(version, status):
        data = base64.b64encode(pdf(version)).decode()
        name = "^".join((*REPORT, "LN"))
        told.append(("ED", name, f"^application^pdf^Base64^{data}"))
    when = _stamp(version.signed_at)
    return [
        _segment(
            "OBX",
            {1: str(number), 2: kind, 3: name, 4: str(number), 5: value, 11: status, 14: when},
        )
        for number, (kind, name, value) in enumerate(told, start=1)
    ]


def _observation(key: str, title: str) -> str:
    code, meaning = OBSERVATIONS.get(key, REPORT)
    if key not in OBSERVATIONS and title:
        meaning = title
    return f"{code}^{escape(meaning)}^LN"


def _parts(name: str) -> list[str]:
    return [*(escape(part) for part in name.split("=")[0].split("^")), "", "", "", "", ""][:5]


def _names(name: str) -> str:
    """A DICOM person name as XPN; DICOM's prefix comes before the suffix, HL7's after."""
    family, given, middle, prefix, suffix = _parts(name)
    return "^".join((family, given, middle, suffix, prefix)).rstrip("^")


def _person(name: str) -> str:
    """The same as XCN, whose first component is a number that we do not have."""
    found = _names(name)
    return f"^{found}" if found else ""
