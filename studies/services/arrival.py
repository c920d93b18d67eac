"""Arrival of a study: receiving, quiet, complete. A fact apart from reading."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from pacs import audit, events
from studies.models import Arrival, Study


def settle_quiet() -> list[int]:
    """Studies whose timer has run out become quiet. Returns their ids; safe to repeat."""
    due = list(
        Study.objects.filter(arrival=Arrival.RECEIVING, quiet_at__lte=timezone.now())
        .order_by("quiet_at")
        .values_list("id", "site_id")[:500]
    )
    settled: list[int] = []
    for study_id, site_id in due:
        with transaction.atomic():
            changed = Study.objects.filter(
                pk=study_id, arrival=Arrival.RECEIVING, quiet_at__lte=timezone.now()
            ).update(arrival=Arrival.QUIET)
            if changed:
                events.publish("study.changed", site=site_id, study=study_id)
                settled.append(study_id)
    return settled


def hasten(study_ids: list[int]) -> None:
    """Orthanc calls these studies stable: their timer ends now."""
    now = timezone.now()
    Study.objects.filter(pk__in=study_ids, arrival=Arrival.RECEIVING, quiet_at__gt=now).update(
        quiet_at=now
    )


def mark_complete(study: Study, actor: Any) -> None:
    """A technician says that all images are there."""
    with transaction.atomic():
        changed = (
            Study.objects.filter(pk=study.pk)
            .exclude(arrival=Arrival.COMPLETE)
            .update(arrival=Arrival.COMPLETE)
        )
        if changed:
            audit.record("study.complete", actor=actor, study=study)
            events.publish("study.complete", site=study.site_id, study=study.pk)
