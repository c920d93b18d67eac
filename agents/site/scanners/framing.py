"""Bytes of a scanner become codes: where one ends, what is taken off, what was read twice."""

from __future__ import annotations

import re

from agents.site.options import ScannerSection

LONGEST = 64
"""Characters of a code; the longest of DICOM's, LO, has as many."""
IDLE = 2.0
"""Seconds after which the rest of a code does not come any more."""
ENDS = {
    "line": re.compile(rb"[\r\n]+"),
    "cr": re.compile(rb"\r"),
    "lf": re.compile(rb"\n"),
    "crlf": re.compile(rb"\r\n"),
    "tab": re.compile(rb"\t"),
    "etx": re.compile(rb"\x03"),
}
STX = b"\x02"


class Framer:
    """Codes of one scanner. `unreadable` counts what was none."""

    def __init__(self, section: ScannerSection) -> None:
        self._section = section
        self._rest = b""
        self._overlong = False
        self._at = 0.0
        self._last = ("", -1e9)
        self.unreadable = 0

    def feed(self, data: bytes, now: float) -> list[str]:
        """The codes that `data`, which came at `now` (seconds), completes."""
        if self._rest and now - self._at > IDLE:
            self.reset()
            self.unreadable += 1
        if data:
            self._at = now
        return [code for frame in self._frames(data) if (code := self._code(frame, now))]

    def reset(self) -> None:
        """Forget half a code."""
        self._rest, self._overlong = b"", False

    def _frames(self, data: bytes) -> list[bytes]:
        self._rest += data
        length = self._section.length
        if length:
            whole = len(self._rest) // length * length
            frames = [self._rest[at : at + length] for at in range(0, whole, length)]
            self._rest = self._rest[whole:]
            return frames
        *frames, self._rest = ENDS[self._section.ends_with].split(self._rest)
        if frames and self._overlong:
            del frames[0]
            self._overlong = False
        most = LONGEST * 4 + len(self._section.prefix) + len(self._section.suffix)
        if len(self._rest) > most:
            # Noise, or the wrong speed: nothing until the next end.
            self._rest, self._overlong = b"", True
            self.unreadable += 1
        return frames

    def _code(self, frame: bytes, now: float) -> str:
        """The code in a frame; "" for none, and for one that was just read."""
        frame = frame.removeprefix(STX)
        try:
            text = frame.decode("utf-8")
        except UnicodeDecodeError:
            self.unreadable += 1
            return ""
        text = text.removeprefix(self._section.prefix).removesuffix(self._section.suffix).strip()
        if not text:
            return ""
        if len(text) > LONGEST or not text.isprintable():
            self.unreadable += 1
            return ""
        before, at = self._last
        self._last = (text, now)
        return "" if text == before and now - at < self._section.debounce_seconds else text
