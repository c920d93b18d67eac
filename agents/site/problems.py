"""The agent's last errors, for its log and for the portal. Words without names of files."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime

from agents.protocol import Problem

log = logging.getLogger("agents.site")
KEPT = 20


class Problems:
    """Keeps the newest; the same again only moves to the end."""

    def __init__(self) -> None:
        self._kept: deque[Problem] = deque(maxlen=KEPT)

    def note(self, code: str, message: str) -> None:
        """Log a problem and keep it."""
        log.warning("%s: %s", code, message)
        for each in self._kept:
            if (each.code, each.message) == (code, message[:500]):
                self._kept.remove(each)
                break
        self._kept.append(Problem(at=datetime.now(UTC), code=code, message=message[:500]))

    def latest(self) -> tuple[Problem, ...]:
        return tuple(self._kept)
