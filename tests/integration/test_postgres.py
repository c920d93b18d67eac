"""The audit trail's triggers, migrations and read windows on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.servers.postgres import PostgresServer

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a portal on PostgreSQL, migrated."""
    with PostgresServer(migrated=True) as server:
        values = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PACS_")},
            "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
            "PACS_DATA_DIR": str(tmp_path_factory.mktemp("data")),
            "DATABASE_URL": server.url,
        }
        manage(values, "migrate", "--verbosity", "0")
        yield values


def manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def connection(environment: dict[str, str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        yield connection


def test_no_migration_is_missing(environment: dict[str, str]) -> None:
    manage(environment, "makemigrations", "--check", "--dry-run")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditevent SET action = 'nothing'",
        "UPDATE audit_auditevent SET action = 'nothing' WHERE false",
        "DELETE FROM audit_auditevent",
        "TRUNCATE audit_auditevent",
        "TRUNCATE audit_auditevent CASCADE",
        "INSERT INTO audit_auditevent SELECT * FROM audit_auditevent"
        " ON CONFLICT (id) DO UPDATE SET action = 'nothing'",
    ],
)
def test_the_trail_is_append_only(
    environment: dict[str, str], connection: psycopg.Connection, statement: str
) -> None:
    manage(environment, "shell", "-c", "from pacs import audit; audit.record('something')")
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        connection.execute(statement)  # type: ignore[call-overload]
    rows = connection.execute("SELECT DISTINCT action FROM audit_auditevent").fetchall()
    assert rows == [("something",)]


RACE = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from django.db import connections
from pacs import audit
barrier = Barrier(8)
def read(_):
    try:
        barrier.wait(20)
        return audit.record_read("study.opened", actor=1, study=2, session_key="a")
    finally:
        connections.close_all()
with ThreadPoolExecutor(8) as executor:
    print("written", sum(executor.map(read, range(8))))
"""


def test_eight_readers_at_once_are_one_event(
    environment: dict[str, str], connection: psycopg.Connection
) -> None:
    assert "written 1" in manage(environment, "shell", "-c", RACE)
    rows = connection.execute(
        "SELECT count(*) FROM audit_auditevent WHERE action = 'study.opened'"
    ).fetchone()
    assert rows == (1,)


def test_the_audit_migration_goes_back_and_forth(
    environment: dict[str, str], connection: psycopg.Connection
) -> None:
    manage(environment, "migrate", "audit", "0001", "--verbosity", "0")
    connection.execute("UPDATE audit_auditevent SET outcome = outcome")
    manage(environment, "migrate", "audit", "--verbosity", "0")
    with pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("UPDATE audit_auditevent SET outcome = outcome")


ORDER_AND_STUDY = """
import threading
from django.db import connection, transaction
from pacs.accounts.models import Site
from studies.models import Patient, Study
from studies.orders import intake, matching
from studies.orders.models import Order
site = Site.objects.create(name="Orders", slug="orders")
patient = Patient.objects.create(site=site, patient_id="P1")
both = threading.Barrier(2, timeout=60)
who = {"patient_id": "P1", "patient_birth_date": "19700131", "accession_number": "A1"}

def ordered():
    with transaction.atomic():
        facts = intake.OrderFacts(control="new", priority=0, **who)
        intake.take_orders(site, [facts], source="test")
        both.wait()
    connection.close()

def stored():
    with transaction.atomic():
        study = Study.objects.create(
            site=site, patient_ref=patient, study_instance_uid="1.2.3", **who
        )
        matching.study_arrived(study)
        both.wait()
    connection.close()

threads = [threading.Thread(target=each) for each in (ordered, stored)]
for each in threads:
    each.start()
for each in threads:
    each.join()
before = Order.objects.get().study_id
matching.sweep()
order = Order.objects.get()
print(before, order.study.study_instance_uid, order.study.priority, order.match_problem or "-")
"""


def test_an_order_and_its_study_at_the_same_moment(environment: dict[str, str]) -> None:
    """Neither sees the other before both are committed; the sweep brings them together."""
    out = manage(environment, "shell", "--no-imports", "-c", ORDER_AND_STUDY)
    assert out.split() == ["None", "1.2.3", "0", "-"]
