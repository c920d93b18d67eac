"""Signed versions on a real PostgreSQL: what jsonb does to content, and what triggers refuse."""

from __future__ import annotations

import json
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

SIGN = """
from django.utils import timezone
from pacs.accounts.models import Membership, Role, Site, User
from reports import document
from reports.models import Report
from reports.signing import services
from studies.models import Measurement, Patient, Study
site = Site.objects.create(name="Main", slug="main")
user = User.objects.create_user("reader")
Membership.objects.create(user=user, site=site, role=Role.RADIOLOGIST)
patient = Patient.objects.create(site=site, patient_id="P1", patient_name="MÜLLER^Jürgen")
study = Study.objects.create(
    site=site, patient_ref=patient, study_instance_uid="1.2.3", patient_name="MÜLLER^Jürgen",
    reader=user, reading_state="draft", claimed_at=timezone.now(),
)
# Numbers that jsonb spells in another way.
values = [{"name": "n", "value": v, "unit": "mm"} for v in (1e22, 1e-7, 12.0, 0.1, 1e16)]
measurement = Measurement.objects.create(
    study=study, series_instance_uid="1", sop_instance_uid="2", author=user, tool="length",
    points=[], values=values,
)
content = document.empty("CT chest")
content["sections"][3]["html"] = "<p>No infiltrate, قباني \\U0001F600.</p>"
content["sections"][4]["html"] = "<p>Normal.</p>"
content["measurements"] = [str(measurement.pk)]
report = Report.objects.create(
    site=site, study=study, author=user, saved_by=user, content=content
)
services.sign(report.pk, user, kind="preliminary", revision=1)
services.sign(report.pk, user, kind="final", revision=2)
"""
RACE = """
def race():
    import threading
    from django.db import connections
    from pacs.accounts.models import User
    from reports.errors import ReportError
    from reports.models import Report
    from reports.signing import services
    user = User.objects.get(username="reader")
    report = Report.objects.get()
    answers = []
    barrier = threading.Barrier(8)
    def run():
        barrier.wait()
        try:
            services.withdraw(report.pk, user, "Wrong patient")
            answers.append("done")
        except ReportError as error:
            answers.append(error.code)
        except Exception as error:
            answers.append(repr(error))
        finally:
            connections.close_all()
    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join(60)
    print(sorted(answers))
race()
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A portal on PostgreSQL with one report that is signed twice."""
    with PostgresServer(migrated=True) as server:
        values = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PACS_")},
            "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
            "PACS_DATA_DIR": str(tmp_path_factory.mktemp("data")),
            "DATABASE_URL": server.url,
        }
        manage(values, "migrate", "--verbosity", "0")
        manage(values, "shell", "-c", SIGN)
        yield values


def manage(environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


@pytest.fixture
def connection(environment: dict[str, str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        yield connection


def test_hashes_survive_jsonb(environment: dict[str, str]) -> None:
    answer = json.loads(manage(environment, "verify_reports", "--json"))
    assert answer == {"versions": 2, "problems": []}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE reports_reportversion SET text = 'x'",
        "UPDATE reports_reportversion SET text = 'x' WHERE false",
        "DELETE FROM reports_reportversion",
        "TRUNCATE reports_reportversion CASCADE",
        "TRUNCATE reports_report CASCADE",
        "INSERT INTO reports_reportversion SELECT * FROM reports_reportversion"
        " ON CONFLICT (id) DO UPDATE SET text = 'x'",
        "UPDATE reports_report SET state = 'draft'",
        "UPDATE reports_report SET state = 'preliminary'",
        "DELETE FROM reports_report",
    ],
)
def test_raw_sql_is_refused(
    environment: dict[str, str], connection: psycopg.Connection, statement: str
) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation, match=r"never change|become unsigned"):
        connection.execute(statement)  # type: ignore[call-overload]


def test_without_triggers_it_is_found_and_migrate_mends_them(
    environment: dict[str, str], connection: psycopg.Connection
) -> None:
    connection.execute("ALTER TABLE reports_reportversion DISABLE TRIGGER USER")
    connection.execute("UPDATE reports_reportversion SET text = 'x' WHERE number = 1")
    answer = json.loads(manage(environment, "verify_reports", "--json", code=1))
    assert {each["code"] for each in answer["problems"]} == {"trigger", "column"}
    connection.execute(
        "UPDATE reports_reportversion SET text = other.text FROM reports_reportversion other"
        " WHERE other.number = 2 AND reports_reportversion.number = 1"
    )
    manage(environment, "migrate", "--verbosity", "0")
    assert json.loads(manage(environment, "verify_reports", "--json"))["problems"] == []


def test_one_of_many_withdraws(environment: dict[str, str]) -> None:
    answers = manage(environment, "shell", "-c", RACE)
    assert answers.strip().endswith(str(["done", *["withdrawn"] * 7])), answers
    assert json.loads(manage(environment, "verify_reports", "--json"))["problems"] == []
