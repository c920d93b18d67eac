"""Readable lines from several processes on one terminal."""

from __future__ import annotations

import contextlib
import re
from typing import TextIO

COLOURS = {"orthanc": 36, "web": 32, "worker": 33, "follow": 35, "setup": 34, "lightbox": 1}
# glog's prefix: W1124 18:00:00.123456 thread file.cpp:123]
ORTHANC_LINE = re.compile(r"^([EWIT])\d{4} [\d:.]+ +(?:\S+ +)?[\w./-]+:\d+\] ?(.*)$")
ORTHANC_LEVELS = {"E": "error: ", "W": "", "I": "", "T": ""}


class Console:
    """Writes `name | text`; in colour on a terminal only."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.colour = out.isatty()

    def line(self, name: str, text: str) -> None:
        if name == "orthanc" and (match := ORTHANC_LINE.match(text)):
            text = ORTHANC_LEVELS[match[1]] + match[2]
        label = f"{name:<8} |"
        if self.colour:
            label = f"\x1b[{COLOURS.get(name, 37)}m{label}\x1b[0m"
        # The reader of our output may be gone; the portal goes on.
        with contextlib.suppress(OSError, ValueError):
            self.out.write(f"{label} {text}\n")
            self.out.flush()

    def say(self, text: str) -> None:
        """A message of the supervisor's own, several lines perhaps."""
        for line in text.splitlines():
            self.line("lightbox", line)
