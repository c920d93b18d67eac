"""An instance above the limit stays at Orthanc, and technicians see that it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies.models import Instance, OrthancServer, QuarantinedFile
from studies.orthanc.follow import follow
from tests.dicomweb.asking import ct_file
from tests.servers.orthanc import OrthancServer as RealOrthanc

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[RealOrthanc]:
    with RealOrthanc(tmp_path / "orthanc") as server:
        yield server


def test_too_large_is_an_entry_without_a_file(
    orthanc: RealOrthanc,
    settings: Any,
    site: Any,
    technician: Any,
    site_admin: Any,
    stranger: Any,
    logged_in: Callable[..., Any],
) -> None:
    settings.MAX_INSTANCE_BYTES = 50_000
    settings.FIRST_SYNC_AS_PRIORS = False
    row = OrthancServer.objects.create(
        site=site, slug="left", name="Left", base_url=orthanc.url,
        username=orthanc.user, password=orthanc.password,
    )  # fmt: skip
    sizes = [64, 512, 64]
    files = [ct_file(number=n, seed=n, size=size) for n, size in enumerate(sizes, 1)]
    for file in files:
        assert orthanc.rest("POST", "/instances", file)[0] == 200

    outcome = follow(row.pk)
    assert (outcome.stored, outcome.failed) == (2, False)
    assert Instance.objects.count() == 2
    entry = QuarantinedFile.objects.get()
    size = len(orthanc.rest("GET", f"/{entry.source.partition('/')[2]}/file")[1])
    assert (entry.archive_key, entry.file_size) == ("", size)
    assert size > settings.MAX_INSTANCE_BYTES
    event = AuditEvent.objects.get(action="instance.quarantined")
    assert (event.site_id, event.detail["reason"]) == (site.pk, "left-at-orthanc")
    assert SiteEvent.objects.filter(type="quarantine.changed", site_id=site.pk).count() == 1

    # Met again: the same entry.
    OrthancServer.objects.update(cursor=0, cursor_mark="")
    follow(row.pk)
    entry.refresh_from_db()
    assert entry.times_received == 2
    assert AuditEvent.objects.filter(action="instance.quarantined").count() == 1

    page = logged_in(technician).get(reverse("quarantine")).content.decode()
    assert "larger than the portal accepts. It is still at Orthanc." in page
    assert entry.source in page
    view = reverse("admin:studies_quarantinedfile_change", args=[entry.pk])
    assert "The portal does not have the file." in logged_in(site_admin).get(view).content.decode()
    assert logged_in(stranger).get(reverse("quarantine")).status_code == 404

    # Within the limit after all: it comes with the next look.
    settings.MAX_INSTANCE_BYTES = 4 * 2**30
    OrthancServer.objects.update(cursor=0, cursor_mark="")
    assert follow(row.pk).stored == 1
    assert Instance.objects.count() == 3
