"""Somebody is told, once, when the backup fails or falls behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from studies.backup import health
from studies.backup.models import BackupState

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _told(settings: Any) -> None:
    settings.ALERT_EMAILS = ["duty@hospital.example"]


def waiting(site: Any, age: timedelta) -> None:
    BackupState.objects.create(
        site=site, archive_key="a", file_size=1, file_sha256="0" * 64,
        created_at=timezone.now() - age,
    )  # fmt: skip


def test_failures() -> None:
    for number in range(5):
        health.broke("The backup storage does not answer.", refused=False)
        assert health.tell() == (number == 2)
    (sent,) = mail.outbox
    assert "does not answer" in sent.body
    health.worked()
    assert not health.tell()
    for _ in range(3):
        health.broke("The backup storage does not answer.", refused=False)
    assert health.tell()


def test_lag(site: Any) -> None:
    waiting(site, timedelta(minutes=50))
    assert not health.tell()
    BackupState.objects.update(created_at=timezone.now() - timedelta(minutes=70))
    assert health.tell()
    assert not health.tell()
    assert "no second copy" in mail.outbox[0].body
    BackupState.objects.update(state="done")
    assert not health.tell()


def test_a_mail_that_fails_goes_later(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(site, timedelta(hours=2))

    def broken(*args: Any) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(health, "send_mail", broken)
        assert not health.tell()
    assert health.tell()


def test_nobody_to_tell(site: Any, settings: Any) -> None:
    settings.ALERT_EMAILS = []
    waiting(site, timedelta(hours=2))
    assert not health.tell()
