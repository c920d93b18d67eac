"""What a browser may keep: pixels for minutes and never beyond the session, nothing else."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.conf import settings
from pydicom.dataset import Dataset

from pacs.accounts import sessions
from studies.dicomweb import caching
from tests.dicomweb.asking import AsgiClient, Stored, ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)

INSTANCES = [
    ("", "application/dicom"),
    ("", "*/*"),
]
PIXELS = [
    ("/frames/1", "*/*"),
    ("/frames/1", "application/octet-stream"),
    ("/frames/1", "image/jls"),
    ("/frames/1,1", "*/*"),
    ("/bulkdata/7FE00010", "application/octet-stream"),
]
NEVER = [
    ("/metadata", "application/dicom+json"),
    ("", "application/zip"),
    ("/bulkdata/00880200/1/00420011", "application/octet-stream"),
]


@pytest.fixture
def file(site: Any) -> Stored:
    item = Dataset()
    item.EncapsulatedDocument = b"%PDF-1" * 1000
    return store(site, ct_file(IconImageSequence=[item]))


@pytest.fixture
def browser(radiologist: Any, logged_in: Any) -> Any:
    return logged_in(radiologist)


@pytest.fixture
def asking(browser: Any, plane: Any) -> AsgiClient:
    """The data plane asked with the browser's session."""
    name = settings.SESSION_COOKIE_NAME
    return AsgiClient(plane, {"cookie": f"{name}={browser.cookies[name].value}"})


def max_age(reply: Any) -> int:
    private, _, seconds = reply.headers["cache-control"].partition(", max-age=")
    assert private == "private"
    return int(seconds)


@pytest.mark.parametrize(("way", "accept"), PIXELS)
def test_pixels_for_a_session(asking: AsgiClient, file: Stored, way: str, accept: str) -> None:
    reply = asking.get(file.path + way, headers={"accept": accept})
    assert 0 < max_age(reply) <= caching.MAX_AGE
    assert reply.headers["vary"] == "accept, cookie, authorization"
    etag = reply.headers["etag"]
    for known in (etag, f'"other", {etag}', "*"):
        again = asking.get(file.path + way, headers={"accept": accept, "if-none-match": known})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
        assert 0 < max_age(again) <= caching.MAX_AGE
    head = asking.get(file.path + way, headers={"accept": accept}, method="HEAD")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", etag)
    assert head.headers["content-length"] == str(len(reply.body))


def test_never_beyond_the_session(browser: Any, asking: AsgiClient, file: Stored) -> None:
    session = browser.session
    session[sessions.ACTIVE_AT] = int(time.time()) - settings.SESSION_IDLE_SECONDS + 20
    session.save()
    assert max_age(asking.get(file.path + "/frames/1")) <= 20


@pytest.mark.parametrize(("way", "accept"), INSTANCES)
def test_instances_are_asked_for_again(
    asking: AsgiClient, file: Stored, way: str, accept: str
) -> None:
    """Who the patient is may be corrected."""
    reply = asking.get(file.path + way, headers={"accept": accept})
    assert reply.headers["cache-control"] == "private, no-cache"
    known = {"accept": accept, "if-none-match": reply.headers["etag"]}
    again = asking.get(file.path + way, headers=known)
    assert (again.status, again.body) == (304, b"")
    assert again.headers["cache-control"] == "private, no-cache"
    head = asking.get(file.path + way, headers={"accept": accept}, method="HEAD")
    assert head.headers["content-length"] == str(len(reply.body))


@pytest.mark.parametrize(("way", "accept"), PIXELS + INSTANCES)
def test_pixels_for_a_token_are_asked_for_again(
    client: Any, radiologist: Any, file: Stored, way: str, accept: str
) -> None:
    reply = client(radiologist).get(file.path + way, headers={"accept": accept})
    assert reply.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(("way", "accept"), NEVER)
def test_all_else_is_never_kept(asking: AsgiClient, file: Stored, way: str, accept: str) -> None:
    reply = asking.get(file.path + way, headers={"accept": accept})
    assert reply.status == 200
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["study_path", "series_path"])
def test_studies_and_errors_are_never_kept(
    asking: AsgiClient, file: Stored, plane: Any, path: str
) -> None:
    assert asking.get(getattr(file, path)).headers["cache-control"] == "no-store"
    for reply in (
        asking.get(file.path + "/frames/9"),
        asking.get(file.path + "/frames/1", headers={"accept": "text/html"}),
        AsgiClient(plane).get(file.path + "/frames/1"),
    ):
        assert reply.status in {404, 406, 401}
        assert reply.headers["cache-control"] == "no-store"


def test_logging_out_clears_what_was_kept(browser: Any, asking: AsgiClient, file: Stored) -> None:
    kept = asking.get(file.path + "/frames/1")
    assert max_age(kept) > 0
    answer = browser.post("/logout/")
    assert '"cache"' in answer.headers["Clear-Site-Data"]
    known = {"if-none-match": kept.headers["etag"]}
    assert asking.get(file.path + "/frames/1", headers=known).status == 401


def test_another_representation_has_another_tag(asking: AsgiClient, file: Stored) -> None:
    accepts = ("*/*", "application/octet-stream", "image/jls", "image/jphc")
    tags = {
        asking.get(file.path + "/frames/1", headers={"accept": accept}).headers["etag"]
        for accept in accepts
    }
    assert len(tags) == len(accepts)
