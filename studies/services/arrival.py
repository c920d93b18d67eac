"""Arrival of a study: receiving, quiet, complete. A fact apart from reading."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from pacs import audit, events
from pacs.accounts.models import Role
from pacs.accounts.principal import Principal
from studies.models import Arrival, Study
from studies.reading.assignment import study_settled

MAX_EXPECTED = 100_000
JUDGES = (Role.TECHNICIAN.value, Role.SITE_ADMIN.value)


def judged_sites(principal: Principal) -> frozenset[int]:
    """Sites where this person may say that a study is complete: technicians, administrators."""
    return frozenset(site for site, role in principal.roles if role in JUDGES)


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
                study_settled(study_id, site_id)
                events.publish("study.changed", site=site_id, study=study_id)
                settled.append(study_id)
    return settled


def hasten(study_ids: list[int]) -> None:
    """Orthanc calls these studies stable: their timer ends now."""
    now = timezone.now()
    Study.objects.filter(pk__in=study_ids, arrival=Arrival.RECEIVING, quiet_at__gt=now).update(
        quiet_at=now
    )


def note_complete(study: Study, actor: Any, *, address: str = "") -> None:
    """Audit and event of a study that has just become complete, in the caller's transaction.

    It may never have been quiet, so its caches are made now.
    """
    from studies.tasks import warm_study

    audit.record(
        "study.complete",
        actor=actor,
        study=study,
        address=address,
        detail={"images": study.number_of_instances, "expected": study.expected_instances},
    )
    study_settled(study.pk, study.site_id)
    events.publish("study.complete", site=study.site_id, study=study.pk)
    transaction.on_commit(lambda: warm_study.delay(study.pk), robust=True)


def mark_complete(
    pk: int, actor: Any, *, expected_instances: int | None = None, address: str = ""
) -> Study:
    """A person says that all images are there, or how many there will be. Safe to repeat.

    With `expected_instances` the study is complete once it holds as many (indexing sees to that);
    one that was called complete with fewer is quiet again. Returns the study as it is then.
    """
    with transaction.atomic():
        study: Study = Study.objects.select_for_update().get(pk=pk)
        before = (study.arrival, study.expected_instances)
        if expected_instances is not None:
            study.expected_instances = expected_instances
        if expected_instances is None or study.number_of_instances >= expected_instances:
            study.arrival = Arrival.COMPLETE
        elif study.arrival == Arrival.COMPLETE:
            study.arrival = Arrival.QUIET
        if (study.arrival, study.expected_instances) == before:
            return study
        study.save(update_fields=["arrival", "expected_instances"])
        if study.arrival == Arrival.COMPLETE != before[0]:
            note_complete(study, actor, address=address)
        else:
            audit.record(
                "study.expected",
                actor=actor,
                study=study,
                address=address,
                detail={"images": study.number_of_instances, "expected": expected_instances},
            )
            events.publish("study.changed", site=study.site_id, study=study.pk)
    return study


def take_back(pk: int, actor: Any, *, address: str = "") -> Study:
    """A person says that a study is not complete after all: quiet again. Safe to repeat.

    The expected number goes with it: reached as it is, the next image would complete the study.
    """
    with transaction.atomic():
        study: Study = Study.objects.select_for_update().get(pk=pk)
        if study.arrival != Arrival.COMPLETE:
            return study
        detail = {"images": study.number_of_instances, "expected": study.expected_instances}
        study.arrival, study.expected_instances = Arrival.QUIET, None
        study.save(update_fields=["arrival", "expected_instances"])
        audit.record(
            "study.complete_taken_back", actor=actor, study=study, address=address, detail=detail
        )
        events.publish("study.changed", site=study.site_id, study=study.pk)
    return study
