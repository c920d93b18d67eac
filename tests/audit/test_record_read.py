from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.test import RequestFactory
from django.utils import timezone

from pacs import audit
from pacs.accounts.models import User
from pacs.audit.models import AuditEvent, ReadWindow
from studies.models import Study


def count() -> int:
    return AuditEvent.objects.count()


def test_once_per_user_study_action_and_session(
    radiologist: User, technician: User, study: Study, other_study: Study
) -> None:
    def read(**changes: object) -> bool:
        options = {"actor": radiologist, "study": study, "session_key": "a", **changes}
        return audit.record_read("study.opened", **options)  # type: ignore[arg-type]

    assert read()
    audit.forget_reads()  # as another process would find it
    assert not read()
    assert not read()
    assert read(actor=technician)
    assert read(study=other_study)
    assert read(session_key="b")
    assert audit.record_read("study.downloaded", actor=radiologist, study=study, session_key="a")
    assert count() == 5


def test_again_after_ten_minutes(radiologist: User, study: Study) -> None:
    assert audit.record_read("study.opened", actor=radiologist, study=study)
    audit.forget_reads()
    ReadWindow.objects.update(started_at=timezone.now() - timedelta(minutes=9, seconds=59))
    assert not audit.record_read("study.opened", actor=radiologist, study=study)
    ReadWindow.objects.update(started_at=timezone.now() - timedelta(minutes=10))
    assert audit.record_read("study.opened", actor=radiologist, study=study)
    assert count() == 2


def test_takes_actor_session_and_address_from_the_request(radiologist: User, study: Study) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="198.51.100.7")
    request.user = radiologist
    request.session = SessionStore()
    request.session.create()
    assert audit.record_read("study.opened", request=request, study=study)
    event = AuditEvent.objects.get()
    assert (event.actor_id, event.address) == (radiologist.pk, "198.51.100.7")
    assert event.session_digest


@pytest.mark.django_db(transaction=True)
def test_eight_readers_at_once_are_one_event(radiologist: User, study: Study) -> None:
    barrier = Barrier(8)

    def read(_: int) -> bool:
        try:
            barrier.wait(10)
            return audit.record_read(
                "study.opened", actor=radiologist, study=study, session_key="a"
            )
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as executor:
        written = list(executor.map(read, range(8)))
    assert sum(written) == 1
    assert count() == 1
