"""Days and weeks of a site as moments: the clock that everything is counted by. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MOST_DAYS = 1100
DAYS_UP_TO = 92
"""Ranges up to so many days are counted by days, longer ones by weeks from Monday."""


@dataclass(frozen=True, slots=True)
class Range:
    """From the first to the last day, both counted, on the clock of each site."""

    first: date
    last: date

    @property
    def by_weeks(self) -> bool:
        return (self.last - self.first).days + 1 > DAYS_UP_TO

    def moments(self, zone: str) -> tuple[datetime, datetime]:
        """The first moment, and the first one after it, in UTC."""
        return midnight(self.first, zone), midnight(self.last + timedelta(days=1), zone)

    def spans(self) -> list[tuple[date, date]]:
        """Days, or weeks cut at the ends of the range: first day, and the first day after it."""
        return list(self._spans())

    def _spans(self) -> Iterator[tuple[date, date]]:
        at, end = self.first, self.last + timedelta(days=1)
        while at < end:
            step = 7 - at.weekday() if self.by_weeks else 1
            after = min(end, at + timedelta(days=step))
            yield at, after
            at = after


def midnight(day: date, zone: str) -> datetime:
    """When a day begins on the clock of a zone; UTC for a zone that is not known here."""
    try:
        clock = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        clock = ZoneInfo("UTC")
    return datetime.combine(day, time(), clock).astimezone(UTC)


def today(zone: str) -> date:
    """The day that it is on the clock of a zone."""
    try:
        return datetime.now(ZoneInfo(zone)).date()
    except (ZoneInfoNotFoundError, ValueError):
        return datetime.now(UTC).date()
