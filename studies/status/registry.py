"""Panels of the status page. An app registers its own in `AppConfig.ready()`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog

from pacs.accounts.models import Role
from pacs.accounts.principal import Principal

log = structlog.get_logger(__name__)


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    STAT = "stat"
    IDLE = "idle"


ORDER = (Level.IDLE, Level.OK, Level.WARN, Level.STAT)


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose part is shown: `sites` None means every site and the machine itself."""

    sites: frozenset[int] | None

    @property
    def is_everything(self) -> bool:
        return self.sites is None

    def within(self, rows: Any, lookup: str = "site_id") -> Any:
        """The rows of a queryset that lie within the reach."""
        return rows if self.sites is None else rows.filter(**{f"{lookup}__in": self.sites})


def reach_of(who: Principal) -> Reach | None:
    """Superusers see all, site administrators their sites; None for everybody else."""
    if who.is_superuser:
        return Reach(None)
    sites = frozenset(site for site, role in who.roles if role == Role.SITE_ADMIN)
    return Reach(sites) if sites else None


@dataclass(frozen=True, slots=True)
class Line:
    """One thing and how it does. `facts` are (label, value): text, numbers or aware datetimes."""

    name: str
    level: Level
    words: str
    where: str = ""
    facts: tuple[tuple[str, Any], ...] = ()
    problem: str = ""
    link: str = ""


@dataclass(slots=True)
class Panel:
    """One part of the page. `empty` says what it means that there are no lines."""

    key: str
    title: str
    lines: list[Line] = field(default_factory=list)
    empty: str = ""
    failed: bool = False

    @property
    def level(self) -> Level:
        if self.failed:
            return Level.STAT
        return max((line.level for line in self.lines), key=ORDER.index, default=Level.IDLE)


Source = Callable[[Reach], Panel | None]
_sources: dict[str, tuple[int, str, Source]] = {}


def register(key: str, title: str, source: Source, *, place: int) -> None:
    """Have the page show what `source` answers, by `place` from the top. None shows nothing."""
    _sources[key] = (place, title, source)


def panels(reach: Reach) -> list[Panel]:
    """Every panel; one that cannot be made says so in its place and takes no other with it."""
    found: list[Panel] = []
    for key, (_, title, source) in sorted(_sources.items(), key=lambda each: each[1][0]):
        try:
            panel = source(reach)
        except Exception as error:
            log.error("status panel failed", panel=key, error=type(error).__name__)
            panel = Panel(key, title, failed=True)
        if panel is not None:
            found.append(panel)
    return found
