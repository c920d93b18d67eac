"""Frames of the Minimal Lower Layer Protocol (HL7 appendix C): VT, the message, FS, CR."""

from __future__ import annotations

START, END = b"\x0b", b"\x1c\r"
MOST_JUNK = 1024


class FrameError(Exception):
    """The peer does not frame its messages, or they are too large: nothing more can be read."""


def framed(message: bytes) -> bytes:
    """The message in its frame."""
    return START + message + END


class Framer:
    """Takes bytes as they come, gives whole messages. A message that begins anew replaces what
    was there of it: its sender broke it off."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = bytearray()
        self._inside = False
        self._looked = 0
        self._junk = 0

    @property
    def in_message(self) -> bool:
        """Whether a message has begun that has not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that end in `data`. Raises FrameError."""
        self._buffer += data
        found = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def _next(self) -> bytes | None:
        if not self._inside:
            begin = self._buffer.find(START)
            before = self._buffer if begin < 0 else self._buffer[:begin]
            self._junk += len(before.strip())
            if self._junk > MOST_JUNK:
                raise FrameError("what came is no HL7 in MLLP frames")
            if begin < 0:
                self._buffer.clear()
                return None
            del self._buffer[: begin + 1]
            self._inside, self._looked = True, 0
        end = self._buffer.find(END, self._looked)
        if end < 0:
            self._restart(len(self._buffer))
            if len(self._buffer) > self._most:
                raise FrameError(f"a message is larger than {self._most} bytes")
            self._looked = max(len(self._buffer) - 1, 0)
            return None
        end -= self._restart(end)
        message = bytes(self._buffer[:end])
        if len(message) > self._most:
            raise FrameError(f"a message is larger than {self._most} bytes")
        del self._buffer[: end + len(END)]
        self._inside, self._junk = False, 0
        return message

    def _restart(self, until: int) -> int:
        """Drop what was there before the last start before `until`; how many bytes."""
        again = self._buffer.rfind(START, self._looked, until)
        if again < 0:
            return 0
        del self._buffer[: again + 1]
        return again + 1
