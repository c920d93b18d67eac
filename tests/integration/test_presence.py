"""Deletions at a real Orthanc are noticed and marked; the archive stays."""

from __future__ import annotations

from typing import Any

import pytest

from pacs.audit.models import AuditEvent
from studies import archive
from studies.models import GoneAtOrthanc, Instance, OrthancServer
from studies.orthanc import presence
from studies.orthanc.follow import follow
from tests.dicomweb.asking import ct_file
from tests.integration.test_follower import orthanc, row  # noqa: F401
from tests.servers.orthanc import OrthancServer as RealOrthanc

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


def test_deleted_seen_and_come_back(
    row: OrthancServer,  # noqa: F811
    orthanc: RealOrthanc,  # noqa: F811
) -> None:
    assert follow(row.pk).stored == 5
    presence.sweep()
    row.refresh_from_db()
    assert row.version == orthanc.json("/system")["Version"]
    assert row.looked_at is not None
    assert not GoneAtOrthanc.objects.exists()

    ids: list[Any] = orthanc.json("/instances")
    assert orthanc.rest("DELETE", f"/instances/{ids[0]}")[0] == 200
    presence.sweep()
    gone = GoneAtOrthanc.objects.get()
    assert (gone.came, gone.held) == (5, 4)
    for each in orthanc.json("/patients"):
        assert orthanc.rest("DELETE", f"/patients/{each}")[0] == 200
    presence.sweep()
    gone.refresh_from_db()
    assert (gone.came, gone.held) == (5, 0)
    assert AuditEvent.objects.filter(action="orthanc.deletion_noticed").count() == 1
    assert Instance.objects.count() == 5
    for instance in Instance.objects.all():
        with archive.open_file(instance.archive_key) as handle:
            assert len(handle.read()) == instance.file_size

    # A round is bounded; the next goes on where it ended, and begins again after the last series.
    row.refresh_from_db()
    presence.look(row, most=1)
    row.refresh_from_db()
    assert row.looked_up_to == gone.series_id
    presence.look(row, most=1)
    row.refresh_from_db()
    assert row.looked_up_to == 0

    for number in range(1, 6):
        orthanc.rest("POST", "/instances", ct_file(number=number, seed=number))
    presence.sweep()
    assert not GoneAtOrthanc.objects.exists()

    orthanc.stop()
    presence.sweep()
    assert not GoneAtOrthanc.objects.exists()
