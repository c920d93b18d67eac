"""The quarantine page: for those who handle it, in plain words, without patient data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse

from studies.dicom.errors import WORDS, Reason
from studies.models import QuarantinedFile

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
URL = "/quarantine/"


@pytest.fixture
def quarantined(site: Any) -> QuarantinedFile:
    return QuarantinedFile.objects.create(
        site=site,
        source="orthanc:1",
        reason=next(iter(Reason)).value,
        archive_key="quarantine/1",
        file_size=2048,
        file_sha256="a" * 64,
        sop_instance_uid="1.2.3.4",
        times_received=3,
    )


def test_the_address(db: None) -> None:
    assert reverse("quarantine") == URL


@pytest.mark.parametrize("actor", ["technician", "site_admin", "admin"])
def test_who_handles_it_reads_the_reason(
    request: Any, logged_in: Any, actor: str, quarantined: QuarantinedFile
) -> None:
    text = logged_in(request.getfixturevalue(actor)).get(URL).content.decode()
    for words in (str(WORDS[next(iter(Reason))]), "orthanc:1", "Main Hospital", "2.0\xa0KB", ">3<"):
        assert words in text
    assert "1.2.3.4" not in text


@pytest.mark.parametrize("actor", ["radiologist", "referrer", "stranger"])
def test_others_do_not_find_it(
    request: Any, logged_in: Any, actor: str, quarantined: QuarantinedFile
) -> None:
    assert logged_in(request.getfixturevalue(actor)).get(URL).status_code == 404


def test_technicians_see_their_site_only(
    logged_in: Any, django_user_model: Any, other_site: Any, quarantined: QuarantinedFile
) -> None:
    user = django_user_model.objects.create_user("north_technician")
    user.memberships.create(site=other_site, role="technician")
    text = logged_in(user).get(URL).content.decode()
    assert "data-quarantined" not in text
    assert "Nothing is in quarantine" in text


def test_nobody_goes_to_the_login(client: Any, db: None) -> None:
    assert client.get(URL, headers=BROWSER)["Location"] == f"/login/?next={URL}"


def test_receipt_is_on_the_clock_of_the_site(
    logged_in: Any, technician: Any, quarantined: QuarantinedFile
) -> None:
    QuarantinedFile.objects.update(received_at=datetime(2026, 1, 5, 23, 30, tzinfo=UTC))
    text = logged_in(technician).get(URL).content.decode()
    assert "2026-01-06 00:30:00 Europe/Berlin" in text


def test_settled_files_are_not_listed(
    logged_in: Any, technician: Any, quarantined: QuarantinedFile
) -> None:
    QuarantinedFile.objects.update(is_open=False)
    assert "data-quarantined" not in logged_in(technician).get(URL).content.decode()
