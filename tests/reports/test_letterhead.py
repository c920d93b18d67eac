"""The letterhead of a site: who changes it, which logos are taken, how it looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from pacs.accounts.models import User
from pacs.audit.models import AuditEvent
from reports.errors import BadContent
from reports.letterhead import services
from reports.letterhead.models import Letterhead
from reports.output.typesetter import typesetter

pytestmark = pytest.mark.django_db
URL = "/admin/reports/letterhead/"


@pytest.fixture(scope="module", autouse=True)
def _typesetter() -> Iterator[None]:
    yield
    typesetter().close()


def picture(kind: str = "PNG", size: tuple[int, int] = (30, 10)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, (0, 100, 0)).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_logos_that_are_taken(kind: str) -> None:
    logo = picture(kind)
    assert services.checked_logo(logo) == logo
    assert services.media_type(logo) == f"image/{kind.lower()}"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>", "neither"),
        (b"", "neither"),
        (picture("GIF"), "neither"),
        (b"\x89PNG\r\n\x1a\n and no more", "cannot be read"),
        (picture() + b"\0" * services.MOST_LOGO, "larger than 256 KB"),
        (picture(size=(4001, 1)), "larger than 4000"),
    ],
)
def test_logos_that_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadContent, match=words):
        services.checked_logo(data)


def fields(site: Any, **values: Any) -> dict[str, Any]:
    return {
        "site": site.pk,
        "heading": "Radiology",
        "address": "Street 1",
        "footer": "",
        "paper": "A4",
        "language": "de",
        **values,
    }


def test_an_administrator_of_the_site_sets_it(
    site: Any, site_admin: User, logged_in: Callable[[User], Client]
) -> None:
    client = logged_in(site_admin)
    logo = SimpleUploadedFile("logo.png", picture())
    answer = client.post(f"{URL}add/", fields(site, new_logo=logo))
    assert answer.status_code == 302, answer.content
    letterhead = Letterhead.objects.get()
    assert (letterhead.heading, bytes(letterhead.logo or b"")) == ("Radiology", picture())
    assert AuditEvent.objects.filter(action="admin.letterhead.added").exists()
    change = f"{URL}{letterhead.pk}/change/"
    bad = SimpleUploadedFile("logo.png", b"<svg/>")
    answer = client.post(change, fields(site, new_logo=bad, heading="Other"))
    assert b"neither PNG nor JPEG" in answer.content
    assert client.post(change, fields(site, language="<b>")).status_code == 200
    letterhead.refresh_from_db()
    assert letterhead.heading == "Radiology"
    client.post(change, fields(site, heading="Other"))
    letterhead.refresh_from_db()
    assert bytes(letterhead.logo or b"") == picture()
    client.post(change, fields(site, remove_logo="on"))
    letterhead.refresh_from_db()
    assert letterhead.logo is None


def test_the_preview(
    site: Any, other_site: Any, site_admin: User, logged_in: Callable[[User], Client]
) -> None:
    ours = Letterhead.objects.create(site=site, logo=picture())
    theirs = Letterhead.objects.create(site=other_site)
    client = logged_in(site_admin)
    answer = client.get(f"{URL}{ours.pk}/preview/")
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert client.get(f"{URL}{theirs.pk}/preview/").status_code == 404
    assert Client().get(f"{URL}{ours.pk}/preview/").status_code == 302


def test_others_have_no_letterheads(
    site: Any, radiologist: User, stranger: User, logged_in: Callable[[User], Client]
) -> None:
    letterhead = Letterhead.objects.create(site=site)
    for user in (radiologist, stranger):
        for url in (URL, f"{URL}{letterhead.pk}/change/", f"{URL}{letterhead.pk}/preview/"):
            assert logged_in(user).get(url).status_code in (302, 403, 404)
