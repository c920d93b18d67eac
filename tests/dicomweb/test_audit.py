"""Every route of DICOMweb leaves its event: one per user, study, action and session in 10 min."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from pacs import audit
from pacs.audit.models import AuditEvent, ReadWindow
from tests.dicomweb.asking import AsgiClient, Reply

pytestmark = pytest.mark.django_db(transaction=True)

STUDY, SERIES, INSTANCE = "{study}", "{series}", "{instance}"
RETRIEVALS = [
    f"{level}{what}"
    for level in (STUDY, SERIES, INSTANCE)
    for what in ("", "/metadata", "/rendered", "/thumbnail")
]
RETRIEVALS += [
    f"{INSTANCE}/frames/1",
    f"{INSTANCE}/frames/1/rendered",
    f"{INSTANCE}/frames/1/thumbnail",
    f"{INSTANCE}/bulkdata/7FE00010",
    "/wado?requestType=WADO&studyUID={uid}&seriesUID={series_uid}&objectUID={instance_uid}",
]
SEARCHES_BELOW = [f"{STUDY}/series", f"{STUDY}/instances", f"{SERIES}/instances"]
SEARCHES = ["/dicom-web/studies", "/dicom-web/series", "/dicom-web/instances"]


def ask(asking: AsgiClient, path: str, **options: Any) -> Reply:
    return asyncio.run(asking.ask(path, **options))


def address(route: str, ct: Any) -> str:
    return route.format(
        study=ct.study_path,
        series=ct.series_path,
        instance=ct.path,
        uid=ct.study,
        series_uid=ct.series,
        instance_uid=ct.instance,
    )


def events(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("id"))


@pytest.mark.parametrize("route", RETRIEVALS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_retrievals(
    client: Any, radiologist: Any, site: Any, ct: Any, route: str, method: str
) -> None:
    asking = client(radiologist)
    for _ in range(3):
        assert ask(asking, address(route, ct), method=method).status == 200
    [event] = events("study.retrieved")
    assert (event.actor_id, event.actor_name) == (radiologist.pk, "radiologist")
    assert (event.study_id, event.site_id) == (ct.study_pk, site.pk)
    assert event.patient_id is not None
    assert event.address == "192.0.2.7"
    assert event.session_digest
    assert ct.study not in str(event.detail)


@pytest.mark.parametrize("route", SEARCHES_BELOW)
def test_searches_within_a_study(client: Any, radiologist: Any, ct: Any, route: str) -> None:
    asking = client(radiologist)
    for _ in range(2):
        assert ask(asking, address(route, ct)).status == 200
    [event] = events("study.searched")
    assert event.study_id == ct.study_pk


@pytest.mark.parametrize("route", SEARCHES)
def test_searches(client: Any, radiologist: Any, ct: Any, route: str) -> None:
    asking = client(radiologist)
    for _ in range(2):
        assert ask(asking, f"{route}?PatientID=P-1").status == 200
    [event] = events("study.searched")
    assert (event.actor_id, event.study_id) == (radiologist.pk, None)
    assert "PatientID" in str(event.detail)
    assert "P-1" not in str(event.detail)


def test_once_a_session_and_again_after_ten_minutes(client: Any, radiologist: Any, ct: Any) -> None:
    first, second = client(radiologist), client(radiologist)
    for asking in (first, second, first):
        assert ask(asking, ct.path + "/frames/1").status == 200
    assert len(events("study.retrieved")) == 2
    for window in ReadWindow.objects.all():
        window.started_at -= audit.READ_WINDOW + timedelta(seconds=1)
        window.save()
    audit.forget_reads()
    fresh = AsgiClient(first.plane, first.headers)
    fresh.plane._authority._known.clear()
    for _ in range(2):
        assert ask(fresh, ct.path + "/frames/1").status == 200
    assert len(events("study.retrieved")) == 3


def test_what_is_hidden_leaves_no_event(client: Any, stranger: Any, ct: Any) -> None:
    asking = client(stranger)
    for route in (*RETRIEVALS, *SEARCHES_BELOW):
        assert ask(asking, address(route, ct)).status == 404
    assert not events("study.retrieved")
    assert not events("study.searched")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/dicom-web/studies", 200), ("{study}", 200), ("/api/dicom/upload", 200)],
)
def test_stores(client: Any, technician: Any, site: Any, ct: Any, path: str, status: int) -> None:
    """What is there already changes nothing, and still somebody sent it."""
    asking = client(technician, scopes=["read", "write"])
    for _ in range(2):
        reply = ask(
            asking,
            address(path, ct),
            method="POST",
            headers={"content-type": "application/dicom"},
            body=[ct.file],
        )
        assert reply.status == status
    [event] = events("instances.offered")
    assert (event.actor_id, event.site_id) == (technician.pk, site.pk)
    assert (event.address, bool(event.session_digest)) == ("192.0.2.7", True)


def test_a_refused_store_is_not_one(client: Any, referrer: Any, ct: Any) -> None:
    reply = ask(
        client(referrer, scopes=["read", "write"]),
        "/dicom-web/studies",
        method="POST",
        headers={"content-type": "application/dicom"},
        body=[ct.file],
    )
    assert reply.status == 403
    assert not events("instances.offered")
