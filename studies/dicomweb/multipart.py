"""Multipart bodies (RFC 2046 5.1) as a stream: pushed in by pieces, taken out as events.

The memory it uses does not depend on the body: at most one piece, one header block and the length
of a delimiter. Every byte is looked at a constant number of times, however the body is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from studies.dicomweb.errors import BadRequestError

# RFC 2046 says 70; Orthanc's have 73.
MAX_BOUNDARY: Final = 200
MAX_HEADER: Final = 16 * 1024
MAX_HEADER_LINES: Final = 32
MAX_PADDING: Final = 256
MAX_OUTSIDE: Final = 64 * 1024
PLAIN: Final = frozenset({"", "binary", "8bit", "7bit"})
"""Values of Content-Transfer-Encoding that change nothing; HTTP needs no others."""

_BOUNDARY = re.compile(rf"[\x20-\x7e]{{0,{MAX_BOUNDARY - 1}}}[\x21-\x7e]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part's headers, names in lower case."""

    headers: dict[str, str]


class Mark(Enum):
    """What has ended."""

    PART_END = auto()
    END = auto()


Event = PartBegin | bytes | Mark


class _State(Enum):
    PREAMBLE = auto()
    DELIMITER = auto()
    HEADER = auto()
    DATA = auto()
    EPILOGUE = auto()


def content_type(text: str) -> tuple[str, dict[str, str]]:
    """Media type and parameters of a Content-Type, names in lower case (RFC 9110 8.3.1).

    Raises BadRequestError for a parameter that is none or comes twice.
    """
    media_type, _, rest = text.partition(";")
    found: dict[str, str] = {}
    at = 0
    while at < len(rest):
        if rest[at] in " \t;":
            at += 1
            continue
        name = _TOKEN.match(rest, at)
        if name is None or rest[name.end() : name.end() + 1] != "=":
            raise BadRequestError("The Content-Type cannot be read.")
        value, at = _value(rest, name.end() + 1)
        key = name[0].lower()
        if key in found:
            raise BadRequestError("The Content-Type names a parameter twice.")
        found[key] = value
    return media_type.strip().lower(), found


def _value(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        end = at
        while end < len(text) and text[end] not in " \t;":
            end += 1
        return text[at:end], end
    letters = []
    at += 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            at += 1
        letters.append(text[at : at + 1])
        at += 1
    if at >= len(text):
        raise BadRequestError("The Content-Type cannot be read.")
    return "".join(letters), at + 1


class Parser:
    """`feed` it the body, then `close` it. Raises BadRequestError with what is wrong."""

    def __init__(self, boundary: str) -> None:
        if _BOUNDARY.fullmatch(boundary) is None:
            raise BadRequestError("The boundary in the Content-Type is missing or not allowed.")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # The first delimiter may stand at the very beginning.
        self._buffer = bytearray(b"\r\n")
        self._state = _State.PREAMBLE
        self._at_line_end = False
        self._outside = 0
        self._scanned = 0

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that this piece completes, in order; take them all before the next piece.

        Data come as they are, never empty; a piece that holds nothing else is not copied.
        """
        if self._is_all_data(piece):
            yield piece
            return
        self._buffer += piece
        events: list[Event] = []
        goes_on = True
        while goes_on:
            goes_on = self._step(events)
            yield from events
            events.clear()

    def close(self) -> None:
        """The body has ended. Raises BadRequestError unless the closing delimiter was seen."""
        if self._state is _State.PREAMBLE:
            raise BadRequestError("The boundary of the Content-Type does not occur in the body.")
        if self._state is not _State.EPILOGUE:
            raise BadRequestError("The body ends before its closing delimiter.")

    def _is_all_data(self, piece: bytes) -> bool:
        """Whether nothing is kept back and the piece has no delimiter, nor the beginning of one."""
        return (
            self._state is _State.DATA
            and not self._at_line_end
            and not self._buffer
            and bool(piece)
            and self._delimiter not in piece
            and not self._begun(piece)
        )

    def _begun(self, data: bytes | bytearray) -> int:
        """How many bytes at the end may be the beginning of a delimiter."""
        at = data.find(b"\r", max(len(data) - len(self._delimiter) + 1, 0))
        while at >= 0:
            if self._delimiter.startswith(data[at:]):
                return len(data) - at
            at = data.find(b"\r", at + 1)
        return 0

    def _step(self, events: list[Event]) -> bool:
        """One step; False where more of the body is needed."""
        if self._state is _State.DATA or self._state is _State.PREAMBLE:
            return self._until_delimiter(events)
        if self._state is _State.DELIMITER:
            return self._after_delimiter(events)
        if self._state is _State.HEADER:
            return self._header(events)
        self._count_outside(len(self._buffer))
        self._buffer.clear()
        return False

    def _until_delimiter(self, events: list[Event]) -> bool:
        if self._at_line_end and not self._past_line_end():
            return False
        at = self._buffer.find(self._delimiter)
        length = at if at >= 0 else len(self._buffer) - self._begun(self._buffer)
        if length > 0:
            if self._state is _State.DATA:
                events.append(bytes(memoryview(self._buffer)[:length]))
            else:
                self._count_outside(length)
            del self._buffer[:length]
        if at < 0:
            return False
        del self._buffer[: len(self._delimiter)]
        if self._state is _State.DATA:
            events.append(Mark.PART_END)
        self._state = _State.DELIMITER
        return True

    def _past_line_end(self) -> bool:
        """Drop the line end before a part's body, unless it is that of the next delimiter.

        False where that cannot be told yet.
        """
        if self._delimiter.startswith(self._buffer[: len(self._delimiter)]):
            if len(self._buffer) < len(self._delimiter):
                return False
        else:
            del self._buffer[:2]
        self._at_line_end = False
        return True

    def _count_outside(self, length: int) -> None:
        self._outside += length
        if self._outside > MAX_OUTSIDE:
            raise BadRequestError("There is too much before or after the parts of the body.")

    def _after_delimiter(self, events: list[Event]) -> bool:
        """`--` ends the body; else spaces and a line end, which begins the header block."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        if buffer.startswith(b"--"):
            events.append(Mark.END)
            self._state = _State.EPILOGUE
            del buffer[:2]
            return True
        end = buffer.find(b"\r\n", 0, MAX_PADDING)
        padding = buffer[:end] if end >= 0 else buffer.removesuffix(b"\r")
        if padding.strip(b" \t") or len(padding) > MAX_PADDING:
            raise BadRequestError("A delimiter in the body does not end with CR LF.")
        if end < 0:
            return False
        del buffer[:end]
        self._state, self._scanned = _State.HEADER, 0
        return True

    def _header(self, events: list[Event]) -> bool:
        """The buffer begins with the CR LF before the first header line."""
        end = self._buffer.find(b"\r\n\r\n", self._scanned)
        if end > MAX_HEADER or (end < 0 and len(self._buffer) > MAX_HEADER):
            raise BadRequestError("The headers of a part are too long.")
        if end < 0:
            self._scanned = max(len(self._buffer) - 3, 0)
            return False
        events.append(PartBegin(_headers(bytes(self._buffer[2:end]))))
        del self._buffer[: end + 2]
        self._state, self._at_line_end = _State.DATA, True
        return True


def _headers(block: bytes) -> dict[str, str]:
    """Header lines of a part; folded lines are joined (RFC 822)."""
    found: dict[str, str] = {}
    if not block:
        return found
    text = block.decode("latin-1")
    lines: list[str] = []
    for line in text.split("\r\n"):
        if "\n" in line or "\r" in line or "\0" in line:
            raise BadRequestError("A header line of a part does not end with CR LF.")
        if line[:1] in {" ", "\t"} and lines:
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    if len(lines) > MAX_HEADER_LINES:
        raise BadRequestError("A part has too many headers.")
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or _TOKEN.fullmatch(name) is None:
            raise BadRequestError("A header of a part cannot be read.")
        if name.lower() in found:
            raise BadRequestError("A part names a header twice.")
        found[name.lower()] = value.strip()
    return found
