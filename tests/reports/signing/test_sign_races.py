"""Two signatures at once: one version."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections

from pacs.accounts.models import User
from reports.errors import ReportError
from reports.models import Report, ReportVersion
from reports.signing import services

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_of_many_signs(draft: Report, radiologist: User) -> None:
    barrier = threading.Barrier(6)
    answers: list[Any] = []

    def run() -> None:
        try:
            barrier.wait()
            answers.append(services.sign(draft.pk, radiologist, kind="final", revision=1))
        except ReportError as error:
            answers.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    signed = [each for each in answers if isinstance(each, ReportVersion)]
    assert (len(answers), len(signed)) == (6, 1)
    assert {each.code for each in answers if isinstance(each, ReportError)} == {"stale"}
    assert ReportVersion.objects.get().number == 1
