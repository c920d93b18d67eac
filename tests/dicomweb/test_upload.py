"""`POST /api/dicom/upload`: one file, one door, clear statuses."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from django.conf import settings

from pacs.accounts.models import Membership, Scope
from studies.dicom.errors import Reason
from studies.models import Instance, QuarantinedFile, Study
from studies.services import ingest
from tests.dicomweb.asking import AsgiClient, ct_file
from tests.dicomweb.graves import buried

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/dicom/upload"
DICOM = {"content-type": "application/dicom"}
WRITE = [Scope.WRITE.value]


def left_over() -> list[Any]:
    return list(ingest.spool_dir().glob("*")) if ingest.spool_dir().exists() else []


@pytest.fixture
def sender(client: Any, technician: Any) -> AsgiClient:
    return client(technician, scopes=WRITE)


def test_stored_then_duplicate(sender: AsgiClient) -> None:
    file = ct_file(instance="1.2.3.4.5")
    first = sender.post(URL, file, headers=DICOM)
    assert first.status == 201
    assert first.json == {
        "outcome": "stored",
        "reason": None,
        "words": "",
        "instance": "1.2.3.4.5",
    }
    assert sender.post(URL, file, headers=DICOM).status == 200
    assert Instance.objects.get().source.startswith("upload:token:")
    assert not left_over()


def test_conflict_goes_to_quarantine(sender: AsgiClient) -> None:
    sender.post(URL, ct_file(instance="1.2.3.4.5", seed=1), headers=DICOM)
    reply = sender.post(URL, ct_file(instance="1.2.3.4.5", seed=2), headers=DICOM)
    assert reply.status == 202
    assert reply.json["outcome"] == "quarantined"
    assert reply.json["reason"] == str(Reason.CONFLICT)
    assert reply.json["words"]
    assert QuarantinedFile.objects.count() == 1


def test_what_was_deleted_here_is_gone(sender: AsgiClient, site: Any, study: Any) -> None:
    buried(site, study, "1.2.3.4.5")
    reply = sender.post(URL, ct_file(instance="1.2.3.4.5"), headers=DICOM)
    assert reply.status == 410
    assert reply.json["outcome"] == "refused"
    assert reply.json["reason"] == str(Reason.DELETED)
    assert "administrator" in reply.json["words"]
    assert not Instance.objects.exists()
    assert not QuarantinedFile.objects.exists()
    assert not left_over()


@pytest.mark.parametrize("body", [b"", b"no DICOM at all", b"\0" * 128 + b"DICM" + b"\0" * 5000])
def test_what_is_no_image_goes_to_quarantine(sender: AsgiClient, body: bytes) -> None:
    reply = sender.post(URL, body, headers=DICOM)
    assert reply.status == 202
    assert reply.json["words"]
    assert not left_over()


def test_digest_is_checked(sender: AsgiClient) -> None:
    file = ct_file()
    right = hashlib.sha256(file).hexdigest().upper()
    wrong = hashlib.sha256(file + b"x").hexdigest()
    refused = sender.post(URL, file, headers={**DICOM, "x-content-sha256": wrong})
    assert refused.status == 400
    assert sender.post(URL, file, headers={**DICOM, "x-content-sha256": "x"}).status == 400
    assert not Instance.objects.exists()
    assert not QuarantinedFile.objects.exists()
    assert sender.post(URL, file, headers={**DICOM, "x-content-sha256": right}).status == 201


@pytest.mark.parametrize("kind", ["", "text/html", "multipart/form-data", "application/dicom+json"])
def test_other_types_are_415_unread(sender: AsgiClient, kind: str) -> None:
    assert sender.post(URL, b"x" * 10, headers={"content-type": kind}).status == 415
    assert sender.received == 0


def test_too_large(sender: AsgiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MAX_INSTANCE_BYTES", 100_000)
    body = b"x" * 200_000
    assert sender.post(URL, body, headers=DICOM).status == 413
    announced = sender.post(URL, body, headers={**DICOM, "content-length": "200000"})
    assert announced.status == 413
    assert sender.received == 0
    assert not left_over()


def test_nobody_and_readers_are_refused_unread(client: Any, technician: Any) -> None:
    for asking, status in (
        (client(), 401),
        (client(technician, scopes=[Scope.READ.value]), 403),
    ):
        assert asking.post(URL, ct_file(), headers=DICOM).status == status
        assert asking.received == 0


def test_referrer_may_not_upload(client: Any, referrer: Any) -> None:
    assert client(referrer, scopes=WRITE).post(URL, ct_file(), headers=DICOM).status == 403


def test_site_must_be_named_where_there_are_two(
    client: Any, technician: Any, other_site: Any, site: Any
) -> None:
    Membership.objects.create(user=technician, site=other_site, role="technician")
    asking = client(technician, scopes=WRITE)
    assert asking.post(URL, ct_file(), headers=DICOM).status == 400
    named = asking.post(URL, ct_file(), headers={**DICOM, "x-lightbox-site": other_site.slug})
    assert named.status == 201
    assert Instance.objects.get().site_id == other_site.pk


@pytest.mark.parametrize("slug", ["north", "unknown", "../main"])
def test_other_sites_look_like_unknown(sender: AsgiClient, other_site: Any, slug: str) -> None:
    reply = sender.post(URL, ct_file(), headers={**DICOM, "x-lightbox-site": slug})
    assert (reply.status, reply.body) == (403, b"You may not send images to that site.\n")


@pytest.mark.parametrize("sent", [0, 1, 300])
def test_client_gone_in_the_middle_leaves_nothing(sender: AsgiClient, sent: int) -> None:
    body = [b"x" * 65536] * sent
    reply = asyncio.run(sender.ask(URL, method="POST", headers=DICOM, body=body, disconnect=True))
    assert reply.status == 0
    assert not left_over()
    assert not QuarantinedFile.objects.exists()


def test_large_file_waits_on_disk_and_is_stored(sender: AsgiClient) -> None:
    file = ct_file(size=2600)
    assert len(file) > 8 * 2**20
    assert sender.post(URL, file, headers=DICOM).status == 201
    assert not left_over()


def test_get_is_405(sender: AsgiClient) -> None:
    assert sender.get(URL).headers["allow"] == "POST, OPTIONS"


@pytest.fixture
def browser(plane: Any, client: Any, technician: Any) -> Any:
    """`browser(**headers)` posts with a session cookie."""
    from django.test import Client

    from pacs.accounts import sessions

    page = Client()
    page.force_login(technician)
    session = page.session
    sessions.start(session)
    session.save()
    token = "a" * 32

    def post(**headers: str) -> Any:
        cookies = {settings.SESSION_COOKIE_NAME: session.session_key}
        if headers.pop("with_cookie", "yes") == "yes":
            cookies[settings.CSRF_COOKIE_NAME] = token
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return AsgiClient(plane, {"cookie": cookie, **DICOM, **sent}).post(URL, ct_file())

    post.token = token  # type: ignore[attr-defined]
    return post


def test_session_needs_the_csrf_token(browser: Any) -> None:
    assert browser().status == 403
    assert browser(x_csrftoken="b" * 32).status == 403
    assert browser(x_csrftoken=browser.token, with_cookie="no").status == 403
    evil = browser(x_csrftoken=browser.token, origin="https://evil.example")
    assert evil.status == 403
    assert not Instance.objects.exists()
    assert browser(x_csrftoken=browser.token, origin="http://testserver").status == 201
    assert Instance.objects.get().source.startswith("upload:user:")


def test_a_page_of_somebody_else_sends_nothing(
    browser: Any, technician: Any, radiologist: Any
) -> None:
    own = {"x_csrftoken": browser.token, "origin": "http://testserver"}
    assert browser(x_lightbox_user=str(radiologist.pk), **own).status == 401
    assert not Instance.objects.exists()
    assert browser(x_lightbox_user=str(technician.pk), **own).status == 201


@pytest.mark.parametrize(("mark", "state"), [("1", "not_needed"), ("0", "unread")])
def test_a_prior_needs_no_reading(sender: AsgiClient, mark: str, state: str) -> None:
    sent = {**DICOM, "x-lightbox-as-prior": mark}
    assert sender.post(URL, ct_file(), headers=sent).status == 201
    assert Study.objects.get().reading_state == state


def test_a_study_that_is_there_stays_as_it_is(sender: AsgiClient) -> None:
    sender.post(URL, ct_file(), headers=DICOM)
    sent = {**DICOM, "x-lightbox-as-prior": "1"}
    assert sender.post(URL, ct_file(seed=2), headers=sent).status == 201
    assert Study.objects.get().reading_state == "unread"
    assert sender.post(URL, ct_file(), headers={**sent, "x-lightbox-as-prior": "x"}).status == 400
