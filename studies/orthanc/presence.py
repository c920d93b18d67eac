"""What Orthanc still holds of what came from it, and which Orthanc it is: looked at bit by bit.

Orthanc's /changes say nothing of deletions. A round asks about a bounded number of series, the next
one goes on from there; after the last series it begins again. A deletion is marked, nothing else:
the archive is the portal's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from pacs import audit
from studies.errors import RetriableError
from studies.models import OrthancServer, Series
from studies.orthanc.client import client_of
from studies.orthanc.models import GoneAtOrthanc

log = structlog.get_logger(__name__)
SERIES_A_ROUND = 200
OLDEST_SAFE = (1, 12, 11)


@dataclass(frozen=True, slots=True)
class Round:
    """What a round saw: series asked about, series newly gone, series that are whole again."""

    asked: int = 0
    gone: int = 0
    back: int = 0


def is_outdated(version: str) -> bool:
    """Whether a released version has known faults (CVE-2026-5437 to 5445). Unknown ones: no."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if found is None:
        return False
    return tuple(int(part or 0) for part in found.groups()) < OLDEST_SAFE


def look(server: OrthancServer, most: int = SERIES_A_ROUND) -> Round:
    """One round at one server. Raises RetriableError where it does not answer."""
    client = client_of(server)
    version = client.version()
    if version != server.version:
        OrthancServer.objects.filter(pk=server.pk).update(version=version)
        if is_outdated(version):
            log.warning("orthanc is older than 1.12.11", server=server.pk, version=version)
    came = Count("instances", filter=Q(instances__source=f"orthanc:{server.pk}"))
    chosen = (
        Series.objects.filter(study__site_id=server.site_id, id__gt=server.looked_up_to)
        .order_by("id")
        .values_list("id", flat=True)[:most]
    )
    rows = list(
        Series.objects.filter(id__in=list(chosen)).annotate(came=came).select_related("study")
    )
    asked = [row for row in rows if row.came]
    held = client.series_sizes([row.series_instance_uid for row in asked]) if asked else {}
    gone = back = 0
    for row in asked:
        count = held.get(row.series_instance_uid, 0)
        if count < row.came:
            gone += _mark(server, row, count)
        else:
            back += GoneAtOrthanc.objects.filter(server=server, series=row).delete()[0]
    reached = max((row.pk for row in rows), default=0) if len(rows) == most else 0
    OrthancServer.objects.filter(pk=server.pk, looked_up_to=server.looked_up_to).update(
        looked_up_to=reached, looked_at=timezone.now()
    )
    return Round(len(asked), gone, back)


def _mark(server: OrthancServer, series: Series, held: int) -> int:
    with transaction.atomic():
        came = series.came  # type: ignore[attr-defined]
        _, is_new = GoneAtOrthanc.objects.update_or_create(
            server=server, series=series, defaults={"held": held, "came": came}
        )
        if is_new:
            audit.record(
                "orthanc.deletion_noticed",
                study=series.study,
                detail={"server": server.pk, "series": series.pk, "came": came, "held": held},
            )
    return int(is_new)


def sweep() -> None:
    """A round at every server that is followed. One that does not answer is left to the follower,
    which says so."""
    for server in OrthancServer.objects.filter(is_enabled=True, failures=0):
        try:
            look(server)
        except RetriableError as error:
            log.info("orthanc not compared", server=server.pk, reason=str(error))
