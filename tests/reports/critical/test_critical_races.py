"""Two processes at once: told once, escalated once, ended once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.db import connections

from pacs.accounts.models import User
from reports.critical import services, sweep
from reports.critical.models import CriticalResult
from reports.errors import Refused

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    barrier = threading.Barrier(len(calls))
    answers: list[Any] = []

    def run(call: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            answers.append(call())
        except Refused as error:
            answers.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def test_told_escalated_and_ended_once(
    result: CriticalResult, radiologist: User, doctor: User
) -> None:
    assert sorted(at_once(*[lambda: sweep.tell(result.pk)] * 4)) == [False, False, False, True]
    assert len(mail.outbox) == 1
    late = result.due_at
    answers = at_once(*[lambda: sweep.escalate(late)] * 4)
    assert sorted(answers) == [[], [], [], [result.pk]]
    assert result.events.filter(what="escalated").count() == 1
    assert len(mail.outbox) == 2
    answers = at_once(
        lambda: services.acknowledge(result.pk, doctor, read_back="Yes"),
        lambda: services.close(result.pk, radiologist, reason="x"),
    )
    assert sum(isinstance(each, Refused) for each in answers) == 1
    assert result.events.filter(what__in=["acknowledged", "closed"]).count() == 1
