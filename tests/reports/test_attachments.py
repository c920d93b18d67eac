"""Attachments: what is taken, kept, shown, downloaded and removed; dialog and REST."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from pacs.audit.models import AuditEvent
from reports.attachments import content
from reports.attachments.models import Attachment
from studies import archive
from tests.reports.factories_find import PDF, grant

pytestmark = pytest.mark.django_db


def picture(kind: str = "PNG") -> bytes:
    out = BytesIO()
    Image.new("RGB", (20, 10), (120, 3, 4)).save(out, kind)
    return out.getvalue()


def upload(data: bytes, name: str = "scan.pdf", kind: str = "application/pdf") -> Any:
    return SimpleUploadedFile(name, data, kind)


def post(client: Any, study: Any, data: bytes, **fields: Any) -> Any:
    """By REST, as a browser with a session does."""
    return client.post(f"/api/studies/{study.pk}/attachments/", {"file": upload(data), **fields})


@pytest.mark.parametrize(
    ("data", "kind"),
    [(PDF, content.PDF), (picture(), content.PNG), (picture("JPEG"), content.JPEG)],
)
def test_what_is_taken(logged_in: Any, study: Any, technician: Any, data: bytes, kind: str) -> None:
    client = logged_in(technician)
    answer = post(client, study, data, title="Requisition", kind="requisition", dated="2026-01-02")
    assert answer.status_code == 201, answer.content
    row = Attachment.objects.get()
    assert (row.media_type, row.kind, row.title) == (kind, "requisition", "Requisition")
    with archive.open_file(row.archive_key) as file:
        kept = file.read()
    got = client.get(f"/api/attachments/{row.pk}/")
    assert got.content == kept
    if kind == content.PDF:
        assert kept == data
    assert got["Content-Type"] == kind
    assert got["Content-Disposition"].startswith("attachment;")
    assert got["X-Content-Type-Options"] == "nosniff"
    assert got["Cache-Control"] == "no-store"
    assert "sandbox" in got["Content-Security-Policy"]
    events = AuditEvent.objects.filter(action__startswith="attachment").order_by("id")
    assert [each.action for each in events] == ["attachment.added", "attachment.read"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MZ not a picture",
        b"<html><script>alert(1)</script></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"%PDF-1.7 but nothing more",
        b"%PDF-9.9\nstartxref\n1\n%%EOF",
        picture()[:60],
        picture("JPEG")[:-200],
        b"\xff\xd8\xff" + b"\x00" * 50,
        b"\xff\xd8\xff\xe0\xff\xff" + b"\x00" * 20,
        b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + b"\xff" * 8 + b"IEND",
        b"GIF89a" + b"\x00" * 100,
        b"PK\x03\x04" + b"\x00" * 100,
    ],
)
def test_what_is_not(logged_in: Any, study: Any, technician: Any, data: bytes) -> None:
    assert post(logged_in(technician), study, data).status_code == 400
    assert not Attachment.objects.exists()


def test_too_large(logged_in: Any, study: Any, technician: Any,
                   monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(content, "MAX_BYTES", 40)
    assert post(logged_in(technician), study, PDF).status_code == 400
    answer = logged_in(technician).post(
        f"/studies/{study.pk}/attachments/", {"file": upload(PDF), "title": "x"}
    )
    assert "larger than" in answer.content.decode()


def test_names_say_nothing(logged_in: Any, study: Any, technician: Any) -> None:
    client = logged_in(technician)
    answer = client.post(
        f"/api/studies/{study.pk}/attachments/",
        {"file": upload(PDF, "../../../etc/pass\u202ewd<b>.html", "text/html")},
    )
    row = Attachment.objects.get(pk=answer.json()["id"])
    assert row.media_type == content.PDF
    assert "\u202e" not in row.title
    assert row.archive_key == archive.key_of(study.site_id, hashlib.sha256(PDF).hexdigest())
    page = client.get(f"/studies/{study.pk}/attachments/").content.decode()
    assert "<b>" not in page


def test_the_same_file_is_the_same_attachment(logged_in: Any, study: Any, technician: Any) -> None:
    client = logged_in(technician)
    first, second = (post(client, study, PDF).json()["id"] for _ in range(2))
    assert first == second
    assert AuditEvent.objects.filter(action="attachment.added").count() == 1


def test_removed_softly_with_a_reason(logged_in: Any, study: Any, technician: Any) -> None:
    client = logged_in(technician)
    pk = post(client, study, PDF).json()["id"]
    path = f"/api/attachments/{pk}/"
    json = "application/json"
    assert client.delete(path, {}, content_type=json).status_code == 400
    assert client.delete(path, {"reason": "  "}, content_type=json).status_code == 400
    assert client.delete(path, [1], content_type=json).status_code == 400
    assert client.delete(path, {"reason": "wrong study"}, content_type=json).status_code == 204
    assert client.get(path).status_code == 404
    row = Attachment.objects.get(pk=pk)
    assert (row.removed_by, row.removed_reason) == (technician, "wrong study")
    assert archive.local_path(row.archive_key).exists()
    event = AuditEvent.objects.get(action="attachment.removed")
    assert "wrong study" not in str(event.detail)


def test_who_may(
    logged_in: Any, study: Any, radiologist: Any, technician: Any, referrer: Any, stranger: Any,
    bearer: Any,
) -> None:  # fmt: skip
    pk = post(logged_in(technician), study, PDF).json()["id"]
    listed = f"/api/studies/{study.pk}/attachments/"
    one = f"/api/attachments/{pk}/"
    grant(study, referrer, radiologist)
    for who, of_list, of_one in (
        (radiologist, 200, 200),
        (referrer, 403, 404),
        (stranger, 404, 404),
    ):
        client = logged_in(who)
        assert client.get(listed).status_code == of_list
        assert client.get(one).status_code == of_one
        if who is not radiologist:
            assert post(client, study, PDF).status_code == of_list
            gone = client.delete(one, {"reason": "x"}, content_type="application/json")
            assert gone.status_code == of_one
            assert client.get(f"/studies/{study.pk}/attachments/").status_code == 404
            assert client.get(f"/attachments/{pk}/file/").status_code == 404
            assert client.get(f"/attachments/{pk}/").status_code == 404
    assert Client().get(listed).status_code == 401
    assert Client().get(one).status_code == 401
    assert Client().get(f"/attachments/{pk}/file/").status_code in (302, 401)
    reader = Client(headers=bearer(radiologist, scopes=["read"]))
    assert reader.get(listed).status_code == 200
    assert post(reader, study, PDF).status_code == 403


def test_dialog(logged_in: Any, study: Any, technician: Any) -> None:
    client = logged_in(technician)
    path = f"/studies/{study.pk}/attachments/"
    assert "Nothing is attached" in client.get(path).content.decode()
    page = client.post(path, {"file": upload(PDF), "title": "Old report", "kind": "outside_report"})
    assert "Old report" in page.content.decode()
    assert "Choose a file" in client.post(path, {"title": "x"}).content.decode()
    row = Attachment.objects.get()
    page = client.post(path, {"remove": str(row.pk)}).content.decode()
    assert "Say why" in page
    page = client.post(path, {"remove": str(row.pk), f"reason-{row.pk}": "twice"}).content.decode()
    assert "Nothing is attached" in page
    assert client.post(path, {"remove": "x"}).status_code == 404
