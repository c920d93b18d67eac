"""Arrival in the service and in indexing: complete once, taken back, late images."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from pydicom.uid import generate_uid

from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies.models import Arrival, Study
from studies.services import arrival
from tests.studies.test_ingest import changed, sample, store

pytestmark = pytest.mark.django_db


def audited(action: str) -> int:
    return AuditEvent.objects.filter(action=action).count()


def announced(kind: str) -> int:
    return SiteEvent.objects.filter(type=kind).count()


def another() -> bytes:
    return changed(sample(), SOPInstanceUID=generate_uid())


def test_complete_once(study: Any, technician: Any) -> None:
    for _ in range(2):
        assert arrival.mark_complete(study.pk, technician).arrival == Arrival.COMPLETE
    assert (audited("study.complete"), announced("study.complete")) == (1, 1)
    event = AuditEvent.objects.get(action="study.complete")
    assert (event.actor_name, event.study_id) == ("technician", study.pk)


def test_taken_back_once_with_its_expectation(study: Any, technician: Any) -> None:
    Study.objects.filter(pk=study.pk).update(number_of_instances=3)
    arrival.mark_complete(study.pk, technician, expected_instances=3)
    for _ in range(2):
        row = arrival.take_back(study.pk, technician)
    assert (row.arrival, row.expected_instances) == (Arrival.QUIET, None)
    assert (audited("study.complete_taken_back"), announced("study.changed")) == (1, 1)


def test_taking_back_what_is_not_complete_changes_nothing(study: Any, technician: Any) -> None:
    assert arrival.take_back(study.pk, technician).arrival == Arrival.RECEIVING
    assert audited("study.complete_taken_back") == 0


def test_too_few_images_are_not_complete(study: Any, technician: Any) -> None:
    Study.objects.filter(pk=study.pk).update(number_of_instances=12, arrival=Arrival.QUIET)
    row = arrival.mark_complete(study.pk, technician, expected_instances=60)
    assert (row.arrival, row.expected_instances) == (Arrival.QUIET, 60)
    assert (audited("study.complete"), audited("study.expected")) == (0, 1)
    arrival.mark_complete(study.pk, technician, expected_instances=60)
    assert audited("study.expected") == 1


def test_a_complete_study_that_lacks_images_is_quiet_again(study: Any, technician: Any) -> None:
    Study.objects.filter(pk=study.pk).update(number_of_instances=12)
    arrival.mark_complete(study.pk, technician)
    assert arrival.mark_complete(study.pk, technician, expected_instances=60).arrival == "quiet"


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_one_event(study: Any, technician: Any) -> None:
    start = threading.Barrier(4)
    failures: list[Exception] = []

    def say() -> None:
        try:
            start.wait(10)
            arrival.mark_complete(study.pk, technician)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=say) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert (audited("study.complete"), announced("study.complete")) == (1, 1)


def test_complete_by_itself_when_the_expected_number_is_there(site: Any, technician: Any) -> None:
    pk = store(sample(), site).study_id
    arrival.mark_complete(pk, technician, expected_instances=3)
    store(another(), site)
    assert Study.objects.get().arrival == Arrival.RECEIVING
    store(another(), site)
    study = Study.objects.get()
    assert (study.arrival, study.late_instances) == (Arrival.COMPLETE, 0)
    assert (audited("study.complete"), announced("study.complete")) == (1, 1)


def test_late_images_of_a_study_that_holds_what_was_expected(site: Any, technician: Any) -> None:
    pk = store(sample(), site).study_id
    arrival.mark_complete(pk, technician, expected_instances=1)
    store(another(), site)
    study = Study.objects.get()
    assert (study.arrival, study.late_instances) == (Arrival.COMPLETE, 1)
    assert (audited("study.complete"), announced("study.complete")) == (1, 1)
    assert announced("study.changed") == 1


def test_late_images_of_a_study_that_a_person_called_complete(site: Any, technician: Any) -> None:
    pk = store(sample(), site).study_id
    arrival.mark_complete(pk, technician)
    store(another(), site)
    study = Study.objects.get()
    assert (study.arrival, study.late_instances) == (Arrival.RECEIVING, 1)
