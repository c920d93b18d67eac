"""Retention on a real PostgreSQL, whose transactions run beside one another."""

from __future__ import annotations

import pytest

from tests.integration.test_reading_postgres import answer, environment

__all__ = ["environment"]
pytestmark = pytest.mark.integration

START = """
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from threading import Barrier
from django.db import connections
from django.utils import timezone
from pacs.accounts.models import Membership, Site, User
from pacs.audit.models import AuditEvent
from studies.models import Instance, Study
from studies.retention import erase, holds, proposals
from studies.retention.dryrun import dry_run
from studies.retention.errors import Refused
from studies.retention.models import *
from studies.services import ingest
from tests.dicomweb.asking import ct_file

def person(name, site):
    user = User.objects.create_user(name)
    Membership.objects.create(user=user, site=site, role="site_admin")
    return user

def put(site, number):
    file = ct_file(study="1.2.3", series="1.2.3.1", instance=f"1.2.3.1.{number}",
                   number=number, seed=number, StudyDate="20010203")
    return ingest.store(BytesIO(file), source="test", site=site).outcome

def world(slug):
    site = Site.objects.create(slug=slug, name=slug)
    people = [person(f"{slug}{n}", site) for n in range(3)]
    RetentionRule.objects.create(site=site, years=5, takes_unsafe=True, is_enabled=True)
    for number in (1, 2, 3):
        put(site, number)
    Study.objects.filter(site=site).update(reading_state="final", arrival="quiet")
    made = proposals.propose(site, people[0], dry_run(site).digest, {})
    return site, people, made

def over(made):
    DeletionProposal.objects.filter(pk=made.pk).update(
        deletes_at=timezone.now() - timedelta(seconds=1))

def at_once(*jobs):
    barrier = Barrier(len(jobs))
    def one(job):
        try:
            barrier.wait(60)
            return type(job()).__name__
        except Refused as error:
            return "Refused"
        finally:
            connections.close_all()
    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(one, jobs))

wrong = []
"""
APPROVALS = (
    START
    + """
for turn in range(8):
    site, people, made = world(f"a{turn}")
    got = at_once(
        lambda: proposals.approve(made.pk, people[1], {}),
        lambda: proposals.approve(made.pk, people[2], {}),
    )
    if sorted(got) != ["DeletionProposal", "Refused"]:
        wrong.append(got)
print(json.dumps({"wrong": wrong}))
"""
)
IMAGE = (
    START
    + """
for turn in range(8):
    site, people, made = world(f"b{turn}")
    got = at_once(
        lambda: proposals.approve(made.pk, people[1], {}), lambda: put(site, 4)
    )
    over(made)
    Study.objects.filter(site=site).update(arrival="quiet")
    erase.run()
    left = Instance.objects.filter(site=site).count()
    if left != 4 or Tombstone.objects.filter(site=site).exists():
        wrong.append([got, left])
print(json.dumps({"wrong": wrong}))
"""
)
HOLD = (
    START
    + """
seen = set()
for turn in range(12):
    site, people, made = world(f"c{turn}")
    proposals.approve(made.pk, people[1], {})
    over(made)
    study = Study.objects.get(site=site)
    got = at_once(
        lambda: holds.hold(study, people[2], "Law.", {}),
        lambda: erase.mark(made.deletions.get().pk),
        lambda: erase.run(),
        lambda: put(site, 4) and None,
    )
    left = Instance.objects.filter(site=site).count()
    state = made.deletions.get().state
    seen.add(state)
    # Whole or not at all, and the new image is there in any case.
    if (state, left) not in (("stopped", 4), ("erasing", 1), ("done", 1)):
        wrong.append([got, state, left])
    erase.run()
    audited = AuditEvent.objects.filter(action="study.deleted", site_id=site.pk).count()
    if audited != (state != "stopped"):
        wrong.append(["audit", audited, state])
print(json.dumps({"wrong": wrong, "seen": len(seen) > 0}))
"""
)


def test_two_approvals(environment: dict[str, str]) -> None:
    assert answer(environment, APPROVALS) == {"wrong": []}


def test_an_approval_while_an_image_arrives(environment: dict[str, str]) -> None:
    assert answer(environment, IMAGE) == {"wrong": []}


def test_a_hold_and_an_image_while_the_beat_deletes(environment: dict[str, str]) -> None:
    assert answer(environment, HOLD) == {"wrong": [], "seen": True}
