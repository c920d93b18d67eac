"""Acknowledgements, as they are sent and as they are read (chapter 2.13)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from agents.site.hl7.message import Delimiters, Message, Unacceptable, escape, read

TAKEN = frozenset({"AA", "CA"})


def of(message: Message | None, code: str, words: str = "") -> bytes:
    """The acknowledgement of a message; `code` AA, AE or AR. Without the frame."""
    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    head = message.header if message else None

    def sent(field: int) -> str:
        return head.raw(field) if head else ""

    # Whoever asks for accept acknowledgements only (enhanced mode) gets those.
    if head and head.get(16).upper() == "NE" and head.get(15):
        code = "C" + code[1:]
    marks = head.marks if head else Delimiters()
    control = sent(10)
    separators = sent(2) or "^~\\&"
    event = head.get(9, 2) if head else ""
    kind = f"ACK{marks.component}{escape(event, marks)}" if event else "ACK"
    header = [
        *("MSH" + marks.field + separators, sent(5), sent(6), sent(3), sent(4), now, "", kind),
        *(secrets.token_hex(8), sent(11) or "P", sent(12) or "2.3"),
        *("", "", "", "", "", "", sent(18)),
    ]
    lines = [marks.field.join(header).rstrip(marks.field)]
    lines.append(marks.field.join(["MSA", code, control, escape(words, marks)]).rstrip(marks.field))
    encoding = message.encoding if message else "utf-8"
    return ("\r".join(lines) + "\r").encode(encoding, "replace")


@dataclass(frozen=True, slots=True)
class Answer:
    """An acknowledgement as it came: MSA-1, MSA-2 and the words of MSA-3 or ERR-8."""

    code: str
    control_id: str
    words: str

    @property
    def taken(self) -> bool:
        return self.code in TAKEN


def answer(data: bytes, default_charset: str = "UNICODE UTF-8") -> Answer | None:
    """Read an acknowledgement; None where it is none."""
    try:
        message = read(data, default_charset)
    except Unacceptable:
        return None
    msa = message.first("MSA")
    if msa is None or msa.get(1) not in {"AA", "AE", "AR", "CA", "CE", "CR"}:
        return None
    err = message.first("ERR")
    words = msa.get(3) or (err.get(8) or err.get(3, 2) if err else "")
    return Answer(msa.get(1), msa.get(2), words.replace("\n", " ")[:300])
