"""`send-oru`: a report to a receiver of HL7, acknowledged, and never again once it was taken.

Each report has a control id of the portal's (MSH-10). It is on the disk before the first byte
leaves, and that it was taken before anybody hears of it. A try that is not answered is repeated
under the same control id, by which a receiver knows it (2.9.2).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import json
import random
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from agents import protocol
from agents.site.commands import CommandError, Tell
from agents.site.database import Database
from agents.site.hl7 import ack
from agents.site.hl7.framing import FrameError, Framer, framed
from agents.site.hl7.message import encoded, escape
from agents.site.journal import RUNNING, Journal
from agents.site.options import OruSection
from agents.site.portalclient import PortalClient, PortalError
from agents.site.problems import Problems

MOST_PDF = 20 * 2**20
MOST_ANSWER = 64 * 1024
CONNECT_SECONDS = 20.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
SENDING, TAKEN, REFUSED = "sending", "taken", "refused"
UNCERTAIN = (
    "The report was sent and not acknowledged: the receiver may have it. Look there before it is"
    " sent again."
)
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS oru (receiver TEXT NOT NULL, control_id TEXT NOT NULL,"
    " digest TEXT NOT NULL, state TEXT NOT NULL, code TEXT NOT NULL DEFAULT '',"
    " key TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (receiver, control_id)) WITHOUT ROWID"
)
# What `report` may hold: name -> longest value.
FIELDS = {
    "patientId": 64,
    "issuerOfPatientId": 64,
    "patientName": 324,
    "patientBirthDate": 8,
    "patientSex": 1,
    "placerOrderNumber": 64,
    "fillerOrderNumber": 64,
    "accessionNumber": 16,
    "procedureCode": 16,
    "procedureText": 64,
    "procedureScheme": 16,
    "observedAt": 20,
    "status": 1,
    "physician": 324,
    "studyInstanceUid": 64,
}
STATUSES = {
    "P": "preliminary",
    "F": "final",
    "C": "corrected",
    "W": "withdrawn",
    "X": "withdrawn, for receivers that do not know W",
}


class OruSender:
    """Sends reports to the configured receivers."""

    def __init__(
        self,
        receivers: Sequence[OruSection],
        database: Database,
        client: PortalClient,
        problems: Problems,
    ) -> None:
        self._receivers = {each.name: each for each in receivers}
        self._database = database
        self._client = client
        self._problems = problems
        with database.transaction() as connection:
            connection.execute(SCHEMA)

    async def send(self, params: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Handler of `send-oru`: `acknowledgement` (MSA-1) and `controlId`."""
        section = self._receivers.get(params["receiver"])
        if section is None:
            raise CommandError("receiver", "This agent has no such receiver.")
        report = checked(params["report"])
        control_id = params["controlId"]
        if not (control_id.isascii() and control_id.isprintable()) or re.search(
            r"[\s|^~\\&]", control_id
        ):
            raise CommandError("params", "controlId must be plain letters, digits and marks.")
        pdf = await self._pdf(params)
        if not params["text"] and not pdf:
            raise CommandError("params", "There is neither a text nor a PDF to send.")
        digest = hashlib.sha256(
            json.dumps([report, params["text"]], sort_keys=True).encode() + pdf
        ).hexdigest()
        known = await asyncio.to_thread(
            self._begin, section.name, control_id, digest, tell.command.idempotency_key
        )
        if known:
            return {"acknowledgement": known, "controlId": control_id, "again": True}
        message = build(section, control_id, report, params["text"], pdf)
        answer = await self._until_answered(section, control_id, message)
        await asyncio.to_thread(self._note, section.name, control_id, answer)
        if not answer.taken:
            raise CommandError(
                "refused", f"{section.name} answered {answer.code}: {answer.words or 'no reason'}"
            )
        return {"acknowledgement": answer.code, "controlId": control_id}

    async def _pdf(self, params: dict[str, Any]) -> bytes:
        if params["pdf"]:
            try:
                pdf = base64.b64decode(params["pdf"], validate=True)
            except (binascii.Error, ValueError):
                raise CommandError("params", "pdf is no Base64.") from None
        elif params["pdfPath"]:
            try:
                pdf = await self._client.fetch(params["pdfPath"], most=MOST_PDF)
            except PortalError as error:
                raise CommandError("pdf", f"The PDF could not be fetched: {error.words}.") from None
        else:
            return b""
        wanted = params["pdfSha256"]
        if (params["pdfPath"] or wanted) and hashlib.sha256(pdf).hexdigest() != wanted.lower():
            raise CommandError("pdf", "The PDF is not the one that was to be sent (SHA-256).")
        if not pdf.startswith(b"%PDF-"):
            raise CommandError("pdf", "What was to be sent is no PDF.")
        return pdf

    def _begin(self, receiver: str, control_id: str, digest: str, key: str) -> str:
        """Note a report before it is sent. The code with which it was taken already, or ""."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT digest, state, code FROM oru WHERE receiver = ? AND control_id = ?",
                (receiver, control_id),
            ).fetchone()
            if row is not None and row[1] == TAKEN:
                if row[0] != digest:
                    raise CommandError("reused", "The control id was another report's.")
                return str(row[2])
            connection.execute(
                "INSERT INTO oru (receiver, control_id, digest, state, key, at)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (receiver, control_id) DO UPDATE SET"
                " digest = excluded.digest, state = excluded.state, key = excluded.key,"
                " at = excluded.at",
                (receiver, control_id, digest, SENDING, key, time.time()),
            )
        return ""

    def _note(self, receiver: str, control_id: str, answer: ack.Answer) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE oru SET state = ?, code = ? WHERE receiver = ? AND control_id = ?",
                (TAKEN if answer.taken else REFUSED, answer.code, receiver, control_id),
            )

    async def _until_answered(
        self, section: OruSection, control_id: str, message: bytes
    ) -> ack.Answer:
        """The acknowledgement. Raises CommandError `unreachable` or `uncertain`."""
        give_up = time.monotonic() + section.give_up_seconds
        sent, pause = False, FIRST_PAUSE
        while True:
            try:
                reader, writer = await self._connect(section)
            except OSError as error:
                words = error.strerror or type(error).__name__
                self._problems.note("oru", f"{section.name} cannot be reached: {words}")
            else:
                sent = True
                try:
                    answer = await self._converse(section, control_id, message, reader, writer)
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
                if answer is not None:
                    return answer
                self._problems.note("oru", f"{section.name} did not acknowledge a report")
            if time.monotonic() + pause > give_up:
                if sent:
                    raise CommandError("uncertain", UNCERTAIN)
                raise CommandError(
                    "unreachable", f"{section.name} cannot be reached; nothing was sent."
                )
            await asyncio.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE)

    @staticmethod
    async def _connect(section: OruSection) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(section.host, section.port)

    @staticmethod
    async def _converse(
        section: OruSection,
        control_id: str,
        message: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> ack.Answer | None:
        """Send and wait for the acknowledgement of this message; None where none comes."""
        framer = Framer(MOST_ANSWER)
        with contextlib.suppress(OSError, FrameError):  # OSError: also the time that is over
            async with asyncio.timeout(section.answer_seconds):
                writer.write(framed(message))
                await writer.drain()
                while data := await reader.read(MOST_ANSWER):
                    for each in framer.feed(data):
                        answer = ack.answer(each, section.charset)
                        if answer is not None and answer.control_id == control_id:
                            return answer
        return None


def recover(database: Database, journal: Journal) -> None:
    """At start: the results of reports that were on the way when the agent died."""
    with database.transaction() as connection:
        connection.execute(SCHEMA)
        rows = connection.execute(
            "SELECT commands.key, commands.id, oru.state, oru.code, oru.control_id FROM oru"
            " JOIN commands ON commands.key = oru.key WHERE commands.state = ?",
            (RUNNING,),
        ).fetchall()
    for key, id_, state, code, control_id in rows:
        if state == TAKEN:
            result = protocol.Result(
                id=id_,
                outcome=protocol.DONE,
                data={"acknowledgement": code, "controlId": control_id},
            )
        elif state == REFUSED:
            result = protocol.Result(
                id=id_,
                outcome=protocol.FAILED,
                code="refused",
                message=f"The receiver answered {code}.",
            )
        else:
            result = protocol.Result(
                id=id_, outcome=protocol.FAILED, code="uncertain", message=UNCERTAIN
            )
        journal.end(key, result)


def checked(report: dict[str, Any]) -> dict[str, str]:
    """The fields of a report. Raises CommandError."""
    for name, value in report.items():
        if name not in FIELDS or not isinstance(value, str) or len(value) > FIELDS[name]:
            raise CommandError("params", f"The report's {name[:40]} is unknown or too long.")
    if not report.get("patientId"):
        raise CommandError("params", "The report's patientId is missing.")
    if report.get("status", "F") not in STATUSES:
        raise CommandError("params", f"The report's status is none of {', '.join(STATUSES)}.")
    return dict(report)


def build(
    section: OruSection, control_id: str, report: dict[str, str], text: str, pdf: bytes
) -> bytes:
    """ORU^R01 of version 2.5.1 in the receiver's character set, without the frame."""

    def field(name: str) -> str:
        return escape(report.get(name, ""))

    def numbered(name: str) -> str:
        number = field(name)
        return f"{number}^{escape(section.sending_application)}" if number else ""

    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    status = report.get("status", "F")
    procedure = "^".join((field("procedureCode"), field("procedureText"), field("procedureScheme")))
    filler = numbered("fillerOrderNumber") or numbered("accessionNumber")
    identity = f"{field('patientId')}^^^{field('issuerOfPatientId')}^MR"
    obr = {
        1: "1",
        2: numbered("placerOrderNumber"),
        3: filler,
        4: procedure.rstrip("^") or "RPT^Report",
        7: field("observedAt"),
        18: field("accessionNumber"),
        22: now,
        # Table 0123 has no W: the results are corrected, by being wrong.
        25: "C" if status == "W" else status,
        32: _person(report.get("physician", "")),
    }
    segments = [
        "|".join(
            [
                *("MSH", "^~\\&", escape(section.sending_application)),
                *(escape(section.sending_facility), escape(section.receiving_application)),
                *(escape(section.receiving_facility), now, "", "ORU^R01^ORU_R01", control_id),
                *("P", "2.5.1", "", "", "", "", "", section.charset),
            ]
        ),
        "|".join(
            [
                *("PID", "1", "", identity, "", _person(report.get("patientName", ""))),
                *("", field("patientBirthDate"), field("patientSex")),
            ]
        ),
        "|".join(["ORC", "RE", obr[2], obr[3]]).rstrip("|"),
        "|".join(["OBR", *(obr.get(number, "") for number in range(1, 33))]).rstrip("|"),
    ]
    count = 0
    if uid := field("studyInstanceUid"):
        count += 1
        segments.append(f"OBX|{count}|ST|113014^DICOM Study^DCM||{uid}||||||{status}")
    if text:
        count += 1
        segments.append(f"OBX|{count}|TX|RPT^Report||{escape(text)}||||||{status}")
    if pdf:
        count += 1
        data = base64.b64encode(pdf).decode()
        value = f"^application^pdf^Base64^{data}"
        segments.append(f"OBX|{count}|ED|PDF^Report as PDF||{value}||||||{status}")
    return encoded("\r".join(segments) + "\r", section.charset)


def _person(name: str) -> str:
    """A DICOM person name as XPN: DICOM's prefix comes before the suffix, HL7's after."""
    parts = [*name.split("=")[0].split("^"), "", "", "", "", ""][:5]
    family, given, middle, prefix, suffix = (escape(part) for part in parts)
    return "^".join((family, given, middle, suffix, prefix)).rstrip("^")
