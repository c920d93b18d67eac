"""HL7 over MLLP (Minimal Lower Layer Protocol, HL7 2.5.1 appendix C): one message, its answer.

Pure; knows no Django.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass

START, END = b"\x0b", b"\x1c\r"
LONGEST_ANSWER = 64 * 1024
TAKEN = frozenset({"AA", "CA"})
CODES = TAKEN | {"AE", "AR", "CE", "CR"}


class Unreachable(Exception):
    """No connection; nothing was sent."""


class Unanswered(Exception):
    """Sent, and not acknowledged: the receiver may have it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """MSA-1, MSA-2 and the words of MSA-3 (2.14.8)."""

    code: str
    control_id: str
    words: str

    @property
    def is_taken(self) -> bool:
        return self.code in TAKEN

    @property
    def is_rejected(self) -> bool:
        """Whether the message can never be taken: AR or CR (2.9.2)."""
        return self.code in ("AR", "CR")


def send(
    host: str,
    port: int,
    message: bytes,
    control_id: str,
    *,
    tls: ssl.SSLContext | None = None,
    connect_seconds: float = 10.0,
    answer_seconds: float = 30.0,
) -> Answer:
    """Send one message and wait for the acknowledgement with its control id.

    Raises Unreachable or Unanswered.
    """
    try:
        connection = socket.create_connection((host, port), timeout=connect_seconds)
        if tls is not None:
            connection = tls.wrap_socket(connection, server_hostname=host)
    except OSError as error:
        raise Unreachable from error
    with connection:
        deadline = time.monotonic() + answer_seconds
        try:
            connection.settimeout(answer_seconds)
            connection.sendall(START + message + END)
            return _answer(connection, control_id, deadline)
        except OSError as error:
            raise Unanswered from error


def _answer(connection: socket.socket, control_id: str, deadline: float) -> Answer:
    buffer = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or len(buffer) > LONGEST_ANSWER:
            raise Unanswered
        connection.settimeout(left)
        part = connection.recv(8192)
        if not part:
            raise Unanswered
        buffer += part
        while END in buffer:
            frame, _, buffer = buffer.partition(END)
            found = read(frame.rpartition(START)[2])
            if found is not None and found.control_id == control_id:
                return found


def read(message: bytes) -> Answer | None:
    """An acknowledgement; None where it is none."""
    segments = message.replace(b"\n", b"\r").split(b"\r")
    header = segments[0]
    if not header.startswith(b"MSH") or len(header) < 4:
        return None
    separator = header[3:4]
    for segment in segments[1:]:
        fields = [each.decode("utf-8", "replace").strip() for each in segment.split(separator)]
        if fields[0] == "MSA" and len(fields) > 2 and fields[1] in CODES:
            words = fields[3] if len(fields) > 3 else ""
            return Answer(fields[1], fields[2], words[:200])
    return None
