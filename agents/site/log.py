"""The agent's log: to standard error or a rotated file, its newest lines kept for `collect-log`."""

from __future__ import annotations

import logging
import logging.handlers
import re
import sys
from collections import deque

from agents.site.options import AgentSection

FILE_BYTES = 10 * 2**20
FILES = 5
KEPT = 2000
FORMAT = "%(asctime)s %(levelname)s %(message)s"
SECRET = re.compile(r"(?i)(bearer|basic|password[=:]|token[=:]|key[=:])\s*\S+")


class Plain(logging.Formatter):
    """One line a record, whatever is in it, and nothing that looks like a secret."""

    def format(self, record: logging.LogRecord) -> str:
        text = SECRET.sub(r"\1 ***", super().format(record))
        return "\n  ".join("".join(_shown(line)) for line in text.splitlines())


def _shown(line: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in line)


class Recent(logging.Handler):
    """Keeps the newest lines."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.extend(self.format(record).splitlines())

    def lines(self) -> list[str]:
        return list(self._lines)


def set_up(section: AgentSection) -> Recent:
    """Send the log where the configuration says. Raises OSError."""
    target: logging.Handler
    if section.log_file is None:
        target = logging.StreamHandler(sys.stderr)
    else:
        target = logging.handlers.RotatingFileHandler(
            section.log_file, maxBytes=FILE_BYTES, backupCount=FILES, encoding="utf-8"
        )
    recent = Recent()
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    logging.getLogger("agents.site").setLevel(section.log_level.upper())
    for handler in (target, recent):
        handler.setFormatter(Plain(FORMAT))
        root.addHandler(handler)
    return recent
