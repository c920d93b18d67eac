from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from pacs import audit
from pacs.audit.models import AuditEvent


@pytest.fixture
def event(db: None) -> AuditEvent:
    audit.record("something", detail={"n": 1})
    return AuditEvent.objects.get()


def refused(statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_the_model_cannot_change_or_delete(event: AuditEvent) -> None:
    event.action = "nothing"
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        event.save()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.update(action="nothing")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        event.delete()
    assert AuditEvent.objects.get().action == "something"


def test_sql_cannot_either(event: AuditEvent) -> None:
    refused("UPDATE audit_auditevent SET action = 'nothing'")
    refused("DELETE FROM audit_auditevent")
    refused(
        "INSERT OR REPLACE INTO audit_auditevent"
        " (id, at, action, outcome, actor_name, address, session_digest, detail)"
        f" VALUES ({event.pk}, '2026-01-01', 'nothing', 'ok', '', '', '', '{{}}')"
    )
    assert AuditEvent.objects.get().action == "something"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run", [1, 2])
def test_transactional_tests_begin_empty_and_guarded(run: int) -> None:
    assert not AuditEvent.objects.exists()
    audit.record("something")
    refused("DELETE FROM audit_auditevent")
