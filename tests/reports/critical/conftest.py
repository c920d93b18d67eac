"""Results that wait, and who is told."""

from __future__ import annotations

from typing import Any

import pytest

from pacs.accounts.models import User
from reports.critical import services
from reports.critical.models import CriticalResult
from studies.models import Study


@pytest.fixture(autouse=True)
def _told_by_the_test(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Tasks are called by the tests; links are whole."""
    from reports.critical import tasks

    monkeypatch.setattr(tasks.tell, "delay", lambda result_id: None)
    settings.PUBLIC_URL = "https://pacs.example"


@pytest.fixture
def doctor(referrer: User, radiologist: User, study: Study) -> User:
    """The referrer, with an address and a grant on the study."""
    referrer.email = "referrer@clinic.example"
    referrer.save()
    study.grants.create(user=referrer, granted_by=radiologist)
    return referrer


@pytest.fixture
def result(study: Study, radiologist: User, doctor: User) -> CriticalResult:
    """A tension pneumothorax that the referrer is to be told of."""
    return services.mark(
        study, radiologist, finding="Tension pneumothorax, left", level=0, recipient=doctor
    )
