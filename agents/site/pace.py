"""How fast the agent may send, by day and by night."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from agents.site.options import UploadSection

BURST_SECONDS = 0.25


class Pace:
    """One allowance of bytes that all uploads share."""

    def __init__(self, section: UploadSection) -> None:
        self._section = section
        self._free_at = 0.0

    @property
    def is_night(self) -> bool:
        """Whether it is night, by the agent's local clock."""
        night = self._section.night
        return night is not None and datetime.now().astimezone().time() in night

    @property
    def limit(self) -> int:
        """Bytes a second now; 0 for no limit."""
        kilobytes = self._section.night_rate_kb if self.is_night else self._section.rate_kb
        return kilobytes * 1000

    async def take(self, count: int) -> None:
        """Wait until `count` bytes may be sent."""
        limit = self.limit
        if not limit:
            return
        now = time.monotonic()
        begin = max(self._free_at, now - BURST_SECONDS)
        self._free_at = begin + count / limit
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
