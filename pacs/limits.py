"""Counts by name in one process: so many in a window, however often somebody tries."""

from __future__ import annotations

import threading
import time

MOST_NAMES = 10_000


class RateLimit:
    """`most` times per name in `seconds`."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, int]] = {}

    def allows(self, name: str) -> bool:
        """Count one more; False where that is too many."""
        now = time.monotonic()
        with self._lock:
            began, count = self._seen.get(name, (now, 0))
            if now - began >= self._seconds:
                began, count = now, 0
            if name not in self._seen and len(self._seen) >= MOST_NAMES:
                self._seen.clear()
            self._seen[name] = (began, count + 1)
        return count < self._most

    def exceeded(self, name: str) -> bool:
        """Whether the next one would be too many; counts nothing."""
        with self._lock:
            began, count = self._seen.get(name, (0.0, 0))
        return count >= self._most and time.monotonic() - began < self._seconds

    def forget(self) -> None:
        with self._lock:
            self._seen.clear()
