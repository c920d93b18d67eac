"""Medians of openings, by modality and by day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import NamedTuple

from django.utils import timezone

from studies.openings.models import Opening

MOST = 50_000
"""Openings that are counted at once: the latest ones."""


class Measured(NamedTuple):
    """The numbers of one opening."""

    day: str
    modality: str
    images: int
    first: int
    server: int
    network: int
    decode: int
    whole: int | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Openings of a kind; milliseconds by nearest rank. The parts are medians of their own, so they
    need not add up. `whole` are None where no series came whole."""

    name: str
    count: int
    images: int
    first: int
    first_p95: int
    server: int
    network: int
    decode: int
    scripts: int
    whole: int | None
    whole_p95: int | None


def rank(values: Sequence[int], percent: float) -> int:
    """The value below which `percent` of the values are, by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, ceil(percent / 100 * len(ordered)) - 1)]


def wait(name: str, rows: Sequence[Measured]) -> Wait:
    """The sums of some openings, at least one."""
    whole = [row.whole for row in rows if row.whole is not None]
    return Wait(
        name=name,
        count=len(rows),
        images=rank([row.images for row in rows], 50),
        first=rank([row.first for row in rows], 50),
        first_p95=rank([row.first for row in rows], 95),
        server=rank([row.server for row in rows], 50),
        network=rank([row.network for row in rows], 50),
        decode=rank([row.decode for row in rows], 50),
        scripts=rank([row.first - row.server - row.network - row.decode for row in rows], 50),
        whole=rank(whole, 50) if whole else None,
        whole_p95=rank(whole, 95) if whole else None,
    )


def measured(site_ids: Iterable[int], days: int) -> list[Measured]:
    """The openings of the sites within the last `days`, at most MOST; days as the clock is set."""
    since = timezone.now() - timedelta(days=days)
    rows = Opening.objects.filter(site__in=list(site_ids), at__gte=since).values_list(
        *("at", "modality", "images", "first_ms"),
        *("server_ms", "network_ms", "decode_ms", "whole_ms"),
    )
    return [
        Measured(timezone.localtime(at).strftime("%Y-%m-%d"), *rest) for at, *rest in rows[:MOST]
    ]


def grouped(rows: Iterable[Measured], field: str) -> list[Wait]:
    """By "modality", the most frequent first, or by "day", the latest first."""
    groups: dict[str, list[Measured]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, field) or "unknown"].append(row)
    found = [wait(name, some) for name, some in groups.items()]
    if field == "day":
        return sorted(found, key=lambda each: each.name, reverse=True)
    return sorted(found, key=lambda each: (-each.count, each.name))
