"""Searches on a real PostgreSQL: triggers, folding, trigrams, the same answers as on SQLite."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.test_postgres import manage
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.integration

FILL = """
import json, datetime
from django.db import connection
from django.db.models import Sum
from pacs.accounts.models import Membership, Site, User
from pacs.accounts.principal import principal_of
from studies import documents, searchindex
from studies.dicom.charset import search_key
from studies.dicomweb.authority import Identity
from studies.dicomweb.search import plan, results
from studies.dicomweb.search.keys import Level
from studies.dicomweb.search.parse import parse
from studies.models import *
site, _ = Site.objects.get_or_create(slug="main", defaults={"name": "Main"})
north, _ = Site.objects.get_or_create(slug="north", defaults={"name": "North"})
user, new = User.objects.get_or_create(username="reader")
if new:
    Membership.objects.create(user=user, site=site, role="radiologist")
    Membership.objects.create(user=user, site=north, role="radiologist")
    for n in range(40):
        name = ["DOE^Jane", "MÜLLER^Jörg", "山田^太郎", "JOHNSON^Al"][n % 4]
        at = north if n % 5 == 0 else site
        patient = Patient.objects.create(site=at, patient_id=f"P{n}", patient_name=name)
        day = None if n == 7 else datetime.date(2026, 1, 1 + n % 10)
        study = Study.objects.create(
            site=at, patient_ref=patient, patient_id=f"P{n}", study_instance_uid=f"1.2.{n}",
            study_day=day, study_date=day.strftime("%Y%m%d") if day else "",
            patient_name=name, modalities=["CT", "CT/SR", "MR", ""][n % 4],
            search_text=search_key(f"{name.replace('^', ' ')} P{n}"),
            number_of_instances=1, number_of_series=1,
        )
        series = Series.objects.create(study=study, series_instance_uid=f"1.2.{n}.1", modality="CT")
        Instance.objects.create(
            site=at, series=series, sop_instance_uid=f"1.2.{n}.1.1", sop_class_uid="1.2",
            transfer_syntax_uid="1.2", archive_key="x", file_size=1,
        )
        documents.replace_many([documents.Document(
            at.pk, f"1.2.{n}", f"1.2.{n}.1", f"1.2.{n}.1.1", 1,
            json.dumps({"00180060": {"vr": "DS", "Value": [100 + n % 3]}}),
        )])
identity = Identity(principal_of(user), 1e12, (0, 0), "")
"""
SEARCH = (
    FILL
    + """
for level, text in {queries!r}:
    found = results.search_all(identity, None, parse(text.encode(), Level[level]))
    rows = json.loads(found.body)
    print(json.dumps([row["00100020"]["Value"][0] for row in rows]))
"""
)
SEARCH_ONE = """
with connection.cursor() as cursor:
    cursor.execute("SELECT to_regclass('study_text') IS NOT NULL")
    print(cursor.fetchone()[0])
found = results.search_all(identity, None, parse(b"PatientName=*doe*", Level.STUDY))
print(len(json.loads(found.body)))
"""
QUERIES = [
    ("STUDY", "limit=7&offset=3"),
    ("STUDY", "PatientName=doe*"),
    ("STUDY", "PatientName=*SON%5E*"),
    ("STUDY", "PatientName=m%C3%BCller*"),
    ("STUDY", "PatientName=%E5%B1%B1%E7%94%B0*"),
    ("STUDY", "PatientName=*%25*"),
    ("STUDY", "PatientName=jan d&fuzzymatching=true"),
    ("STUDY", "PatientID=P1*&limit=4"),
    ("STUDY", "PatientID=p1"),
    ("STUDY", "PatientID=P?"),
    ("STUDY", "StudyDate=20260103-20260104"),
    ("STUDY", "StudyDate=-20260102"),
    ("STUDY", "ModalitiesInStudy=CT,SR,MR&offset=5"),
    ("STUDY", "ModalitiesInStudy=SR"),
    ("STUDY", "KVP=101&limit=6"),
    ("SERIES", "Modality=CT&limit=5&offset=2"),
    ("SERIES", "KVP=102&PatientID=P2"),
    ("INSTANCE", "StudyDate=20260110"),
    ("INSTANCE", "includefield=KVP&PatientName=*jane*&limit=3"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer(migrated=True) as running:
        yield running


@pytest.fixture(scope="module")
def postgres(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return portal(tmp_path_factory, server.url)


def portal(folders: pytest.TempPathFactory, url: str) -> dict[str, str]:
    """The environment of a migrated portal; on SQLite for an empty URL."""
    values = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PACS_")},
        "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
        "PACS_DATA_DIR": str(folders.mktemp("data")),
        "DATABASE_URL": url,
    }
    manage(values, "migrate", "--verbosity", "0")
    return values


def answers(environment: dict[str, str]) -> list[list[str]]:
    out = manage(
        environment, "shell", "--no-imports", "-c", SEARCH.replace("{queries!r}", repr(QUERIES))
    )
    return [json.loads(line) for line in out.splitlines()]


def test_both_databases_answer_alike(
    postgres: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    ours = answers(postgres)
    assert ours == answers(portal(tmp_path_factory, ""))
    assert len(ours) == len(QUERIES)
    by_query = {text: found for (_, text), found in zip(QUERIES, ours, strict=True)}
    assert len(by_query["PatientName=doe*"]) == 10
    assert len(by_query["PatientName=*SON%5E*"]) == 10
    assert len(by_query["PatientID=P?"]) == 10
    assert by_query["PatientID=p1"] == by_query["PatientName=*%25*"] == []
    assert len(by_query["KVP=101&limit=6"]) == 6


def test_text_goes_by_trigrams(postgres: dict[str, str]) -> None:
    manage(postgres, "shell", "--no-imports", "-c", FILL)
    with psycopg.connect(postgres["DATABASE_URL"]) as connection:
        connection.execute("SET enable_seqscan = off")
        rows = connection.execute(
            "EXPLAIN SELECT id FROM studies_study WHERE search_text LIKE '%jane%'"
        ).fetchall()
        assert "study_text" in str(rows)


def test_counts_are_a_log_that_is_folded(postgres: dict[str, str]) -> None:
    code = """
def days():
    rows = StudyDayCount.objects.values_list("site", "sort_day").annotate(Sum("number"))
    return sorted((site, str(day), number) for site, day, number in rows if number)
before, rows = days(), StudyDayCount.objects.count()
Study.objects.filter(study_instance_uid="1.2.3").update(study_day=datetime.date(2020, 1, 1))
changed = days()
searchindex.fold_counts(connection)
print(rows, before != changed, changed == days(), StudyDayCount.objects.count() == len(changed))
plan.JUMP_FROM = 0
asked = parse(b"", Level.STUDY)
scope = plan.Scope(identity.principal)
everything = plan.ordered_ids(scope, parse(b"PatientID=P*", Level.STUDY), 0, 100)
pages = [plan.ordered_ids(scope, asked, n, 4) for n in range(45)]
print(len(everything) == 40 and pages == [everything[n : n + 4] for n in range(45)])
"""
    out = manage(postgres, "shell", "--no-imports", "-c", FILL + code)
    assert out.splitlines()[-2:] == ["40 True True True", "True"]


def test_two_batches_of_the_same_days_do_not_wait(postgres: dict[str, str]) -> None:
    manage(postgres, "shell", "--no-imports", "-c", FILL)
    move = "UPDATE studies_study SET study_day = %s WHERE study_instance_uid = %s"
    url = postgres["DATABASE_URL"]
    with psycopg.connect(url) as one, psycopg.connect(url) as two:
        two.execute("SET lock_timeout = '2s'")
        one.execute(move, ["2021-01-01", "1.2.11"])
        two.execute(move, ["2021-01-02", "1.2.12"])
        two.execute(move, ["2021-01-01", "1.2.13"])
        one.execute(move, ["2021-01-02", "1.2.14"])


def test_without_the_right_to_trigrams_it_says_so_and_works(
    server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        connection.execute("CREATE DATABASE plain TEMPLATE template0")
    owned = server.url.rpartition("/")[0] + "/plain"
    with psycopg.connect(owned, autocommit=True) as connection:
        # pg_trgm is a trusted extension: whoever may create in the database may install it.
        connection.execute("GRANT ALL ON SCHEMA public TO plain")
    plain = owned.replace("postgres@", "plain@")
    environment = portal(tmp_path_factory, plain)
    out = manage(environment, "shell", "--no-imports", "-c", FILL + SEARCH_ONE)
    assert out.splitlines()[-2:] == ["False", "10"]
