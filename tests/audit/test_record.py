from __future__ import annotations

import hashlib

import pytest
from django.db import transaction

from pacs import audit
from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from studies.models import Study


def test_takes_site_and_patient_from_the_study(radiologist: User, study: Study) -> None:
    audit.record("study.opened", actor=radiologist, study=study, session_key="a-session-key")
    event = AuditEvent.objects.get()
    assert (event.actor_id, event.actor_name) == (radiologist.pk, "radiologist")
    assert (event.study_id, event.site_id) == (study.pk, study.site_id)
    assert event.patient_id == study.patient_ref_id
    assert event.session_digest == hashlib.sha256(b"a-session-key").hexdigest()[:16]


def test_falls_with_the_change(db: None) -> None:
    @transaction.atomic
    def change() -> None:
        audit.record("something")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert not AuditEvent.objects.exists()


def test_outlives_its_subjects(stranger: User) -> None:
    audit.record("login", actor=stranger)
    stranger.delete()
    assert AuditEvent.objects.get().actor_name == "stranger"
