"""Addresses and headers that try to be something else."""

from __future__ import annotations

from typing import Any

import pytest

from pacs.audit.models import AuditEvent
from tests.dicomweb.asking import Gone

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "uid",
    [
        "..",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "1.2.3'%20OR%20'1'='1",
        "1.2.3%00",
        "1.2.3%0d%0aSet-Cookie:x=1",
        "1" * 65,
        "1.2.3;x",
        "%C3%BC",
        "1.2.3%",
        "*",
        "{}",
        "<script>",
    ],
)
@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_uid_injection(client: Any, radiologist: Any, ct: Any, uid: str, level: str) -> None:
    path = (
        ct.path.replace(getattr(ct, level), uid, 1)
        if level == "study"
        else (
            f"/{getattr(ct, level)}".join(ct.path.rsplit(f"/{getattr(ct, level)}", 1)[:1])
            + f"/{uid}"
        )
    )
    try:
        reply = client(radiologist).get(path + "/metadata")
    except Gone:
        return
    assert reply.status in {400, 404}
    assert b"Traceback" not in reply.body
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("slug", ["..", "a/b", "%00", "x" * 61, "'"])
def test_site_injection(client: Any, radiologist: Any, slug: str) -> None:
    try:
        reply = client(radiologist).get(f"/dicom-web/sites/{slug}/studies")
    except Gone:
        return
    assert reply.status in {400, 404} or reply.json == []


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic !!!", "Bearer " + "x" * 9000, "\x7f\xff"]
)
def test_strange_credentials_are_401(client: Any, ct: Any, authorization: str) -> None:
    reply = client().get(ct.path, headers={"authorization": authorization})
    assert reply.status == 401


@pytest.mark.parametrize("cookie", ["lightbox_session=x", ";;;", "lightbox_session=", "a" * 9000])
def test_strange_cookies_are_401(client: Any, ct: Any, cookie: str) -> None:
    assert client().get(ct.path, headers={"cookie": cookie}).status == 401


def test_reads_are_in_the_trail_once(client: Any, radiologist: Any, ct: Any) -> None:
    asking = client(radiologist)
    for _ in range(3):
        asking.get(ct.path + "/frames/1")
        asking.get(ct.study_path + "/metadata")
        asking.get("/dicom-web/studies?PatientName=DOE*")
    events = AuditEvent.objects.filter(actor_id=radiologist.pk, action__startswith="study.")
    assert sorted(events.values_list("action", flat=True)) == ["study.retrieved", "study.searched"]
    retrieved = events.get(action="study.retrieved")
    assert (retrieved.study_id, retrieved.address) == (ct.study_pk, "192.0.2.7")
    searched = events.get(action="study.searched")
    assert searched.detail == {"keys": ["PatientName"], "level": "studies"}


def test_refused_reads_are_no_reads(client: Any, stranger: Any, ct: Any) -> None:
    client(stranger).get(ct.path + "/frames/1")
    assert not AuditEvent.objects.filter(action="study.retrieved").exists()
