"""Claims on a real PostgreSQL: of fifty at once exactly one wins; every "next" is another study."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.integration.test_postgres import manage
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.integration
AT_ONCE = 50

START = """
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from django.db import connections
from pacs.accounts.models import Membership, Site, User
from pacs.audit.models import AuditEvent
from studies.models import AssignmentRule, Patient, Study
from studies.reading import assignment, services
from studies.reading.errors import ReadingError
Study.objects.all().delete()
site, _ = Site.objects.get_or_create(slug="main", defaults={"name": "Main"})
people = []
for n in range(50):
    user, made = User.objects.get_or_create(username=f"reader{n}")
    if made:
        Membership.objects.create(user=user, site=site, role="radiologist")
    people.append(user)
patient, _ = Patient.objects.get_or_create(site=site, patient_id="P1")

def add(number, **fields):
    return Study.objects.create(
        site=site, patient_ref=patient, study_instance_uid=f"1.2.{number}", **fields
    )

def at_once(work, count=50):
    barrier = Barrier(count)
    def one(n):
        try:
            barrier.wait(60)
            found = work(n)
            return getattr(found, "pk", found)
        except ReadingError as error:
            return error.code
        finally:
            connections.close_all()
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
"""
CLAIM = (
    START
    + """
study = add(1)
got = at_once(lambda n: services.claim(study.pk, people[n]))
study.refresh_from_db()
trail = AuditEvent.objects.filter(action="study.claimed", study_id=study.pk)
print(json.dumps({
    "won": got.count(study.pk),
    "lost": got.count("already-claimed"),
    "trail": [event.actor_id == study.reader_id for event in trail],
}))
"""
)
NEXT = (
    START
    + """
studies = [add(n).pk for n in range(20)]
got = [pk for pk in at_once(lambda n: services.next_unread(people[n]), 30) if pk]
print(json.dumps({"all": sorted(got) == studies}))
"""
)
TAKE = (
    START
    + """
study = add(1)
services.claim(study.pk, people[0])
at_once(lambda n: services.take_over(study.pk, people[n + 1]), 8)
study.refresh_from_db()
trail = list(
    AuditEvent.objects.filter(action="study.taken_over", study_id=study.pk).order_by("id")
)
chain = [people[0].pk, *[event.actor_id for event in trail]]
print(json.dumps({
    "chain": [event.detail["from"] for event in trail] == chain[:-1],
    "reader": study.reader_id == chain[-1],
}))
"""
)
ASSIGN = (
    START
    + """
rule = AssignmentRule.objects.create(site=site, name="all", max_open=3)
rule.radiologists.set(people[:2])
for n in range(9):
    add(n, arrival="quiet", assignment="due")
at_once(lambda n: assignment.assign_by_rules(site.pk), 4)
load = [Study.objects.filter(assigned_to=person).count() for person in people[:2]]
print(json.dumps({"load": load, "due": Study.objects.filter(assignment="due").count()}))
"""
)


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


def answer(environment: dict[str, str], script: str) -> dict[str, object]:
    out = manage(environment, "shell", "--no-imports", "-c", script)
    return dict(json.loads(out.splitlines()[-1]))


def test_fifty_claim_one_study(environment: dict[str, str]) -> None:
    wanted = {"won": 1, "lost": AT_ONCE - 1, "trail": [True]}
    assert answer(environment, CLAIM) == wanted


def test_everybody_s_next_is_another_study(environment: dict[str, str]) -> None:
    assert answer(environment, NEXT) == {"all": True}


def test_take_overs_are_one_chain(environment: dict[str, str]) -> None:
    assert answer(environment, TAKE) == {"chain": True, "reader": True}


def test_workers_at_once_keep_the_limit(environment: dict[str, str]) -> None:
    assert answer(environment, ASSIGN) == {"load": [3, 3], "due": 3}
