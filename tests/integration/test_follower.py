"""The follower in this process against a real Orthanc: what is written together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies.models import Instance, OrthancServer, QuarantinedFile, Study
from studies.orthanc.follow import follow
from studies.services import ingest
from tests.dicomweb.asking import ct_file
from tests.dicomweb.graves import buried
from tests.servers.orthanc import OrthancServer as RealOrthanc

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[RealOrthanc]:
    with RealOrthanc(tmp_path / "orthanc") as server:
        yield server


@pytest.fixture
def row(orthanc: RealOrthanc, settings: Any, site: Any) -> OrthancServer:
    """The Orthanc, with five images."""
    settings.FIRST_SYNC_AS_PRIORS = False
    for number in range(1, 6):
        file = ct_file(number=number, seed=number)
        assert orthanc.rest("POST", "/instances", file)[0] == 200
    return OrthancServer.objects.create(
        site=site, slug="one", name="One", base_url=orthanc.url,
        username=orthanc.user, password=orthanc.password,
    )  # fmt: skip


def test_rows_and_cursor_are_one_transaction(row: OrthancServer) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert follow(row.pk).stored == 5
    asked = [query["sql"] for query in queries]
    begun = [at for at, sql in enumerate(asked) if sql.startswith("BEGIN")]
    moves = [at for at, sql in enumerate(asked) if '"cursor" =' in sql and "UPDATE" in sql]
    rows = [at for at, sql in enumerate(asked) if 'INSERT INTO "studies_instance"' in sql]
    assert rows
    for at in rows:
        opened = max(place for place in begun if place < at)
        closed = next(place for place, sql in enumerate(asked) if place > at and sql == "COMMIT")
        assert any(opened < move < closed for move in moves)
    row.refresh_from_db()
    assert row.cursor == row.remote_last > 0
    assert row.lag == 0


def test_who_lost_the_lease_writes_nothing(
    row: OrthancServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = ingest.commit

    def taken_over(*args: Any, **options: Any) -> Any:
        OrthancServer.objects.update(lease_token=F("lease_token") + 1, lease_until=None)
        return commit(*args, **options)

    monkeypatch.setattr(ingest, "commit", taken_over)
    assert follow(row.pk).stored == 0
    row.refresh_from_db()
    assert row.cursor == 0
    assert not Study.objects.exists()
    assert not SiteEvent.objects.exists()
    assert not AuditEvent.objects.filter(action="instances.received").exists()

    monkeypatch.setattr(ingest, "commit", commit)
    assert follow(row.pk).stored == 5
    assert Instance.objects.count() == 5


def test_what_was_deleted_here_is_passed_over(
    row: OrthancServer, orthanc: RealOrthanc, make_study: Any
) -> None:
    """Orthanc keeps it, the cursor goes on, and it is not asked for again."""
    held = json.loads(orthanc.rest("GET", "/instances?expand")[1])
    uids = [each["MainDicomTags"]["SOPInstanceUID"] for each in held]
    buried(row.site, make_study(row.site), *uids[:2])
    assert follow(row.pk).stored == 3
    row.refresh_from_db()
    assert (row.lag, row.failures, row.last_error) == (0, 0, "")
    assert not QuarantinedFile.objects.exists()
    refused = AuditEvent.objects.filter(action="instances.refused")
    assert sum(event.detail["count"] for event in refused) == 2
    assert follow(row.pk).stored == 0
    assert sum(event.detail["count"] for event in refused.all()) == 2
    assert len(json.loads(orthanc.rest("GET", "/instances")[1])) == 5
