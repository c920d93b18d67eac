"""The quarantine desk: look, try again, accept, discard, tell the site."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from pacs.audit.models import AuditEvent
from studies import archive
from studies.dicom.errors import Reason
from studies.models import Instance, QuarantinedFile, Settled, Study
from studies.services import ingest, quarantine
from studies.services.outgoing import dicom_bytes
from tests.conftest import person
from tests.dicomweb.asking import ct_file

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
ACTIONS = ("retry", "accept", "discard", "take-back", "tell")


def store(site: Any, number: int, **elements: Any) -> Any:
    file = ct_file(instance=f"1.2.3.{number}", number=number, seed=number, **elements)
    return ingest.store(BytesIO(file), source="upload:7", site=site)


@pytest.fixture
def mismatch(site: Any) -> QuarantinedFile:
    """A second image of a study, under another patient's ID."""
    store(site, 1)
    assert store(site, 2, PatientID="WRONG", PatientName="<img src=x>").outcome == "quarantined"
    return QuarantinedFile.objects.get()


@pytest.fixture
def damaged(site: Any) -> QuarantinedFile:
    ingest.store(BytesIO(b"\0" * 200), source="upload:7", site=site)
    return QuarantinedFile.objects.get(reason=Reason.NOT_DICOM)


def url(file: QuarantinedFile, action: str = "") -> str:
    return f"/quarantine/{file.pk}/{action}/" if action else f"/quarantine/{file.pk}/"


class TestAccess:
    @pytest.mark.parametrize("actor", ["technician", "site_admin", "admin"])
    def test_permitted(
        self, request: Any, logged_in: Any, actor: str, mismatch: QuarantinedFile
    ) -> None:
        browser = logged_in(request.getfixturevalue(actor))
        assert browser.get(url(mismatch)).status_code == 200
        assert browser.post(url(mismatch, "discard")).status_code == 200

    @pytest.mark.parametrize("actor", ["radiologist", "referrer", "stranger", "north"])
    def test_hidden(
        self, request: Any, logged_in: Any, other_site: Any, actor: str, mismatch: QuarantinedFile
    ) -> None:
        user = (
            person("north", other_site, "technician")
            if actor == "north"
            else request.getfixturevalue(actor)
        )
        browser = logged_in(user)
        assert browser.get(url(mismatch)).status_code == 404
        for action in ACTIONS:
            assert browser.post(url(mismatch, action)).status_code == 404
        assert QuarantinedFile.objects.get().is_open

    def test_nobody(self, client: Any, mismatch: QuarantinedFile) -> None:
        path = url(mismatch)
        assert client.get(path, headers=BROWSER)["Location"] == f"/login/?next={path}"
        for action in ACTIONS:
            assert client.post(url(mismatch, action)).status_code == 401

    def test_other_actions(
        self, logged_in: Any, technician: Any, mismatch: QuarantinedFile
    ) -> None:
        browser = logged_in(technician)
        assert browser.post(url(mismatch, "delete")).status_code == 404
        assert browser.get(url(mismatch, "retry")).status_code == 405


class TestHeader:
    def test_is_text(self, logged_in: Any, technician: Any, mismatch: QuarantinedFile) -> None:
        text = logged_in(technician).get(url(mismatch)).content.decode()
        assert "WRONG" in text
        assert "<img src=x>" not in text
        assert "&lt;img src=x&gt;" in text

    def test_is_bounded(self, site: Any, logged_in: Any, technician: Any) -> None:
        store(site, 1)
        store(site, 2, PatientID="WRONG", StudyDescription="y" * 5000)
        text = logged_in(technician).get(url(QuarantinedFile.objects.get())).content.decode()
        assert "y" * 200 in text
        assert "y" * 201 not in text

    def test_of_what_is_no_dicom(
        self, logged_in: Any, technician: Any, damaged: QuarantinedFile
    ) -> None:
        text = logged_in(technician).get(url(damaged)).content.decode()
        assert "This is not a DICOM file." in text
        assert "cannot be read safely" in text
        assert "Accept as a correction" not in text


class TestDeciding:
    def test_accept(self, logged_in: Any, technician: Any, site: Any, mismatch: Any) -> None:
        store(site, 3, PatientID="WRONG")
        store(site, 4, PatientID="ANOTHER")
        browser, path = logged_in(technician), url(mismatch, "accept")
        assert "Is it really of this patient?" in browser.post(path).content.decode()
        assert Instance.objects.count() == 1
        said = {"confirmed": "yes", "reason": ""}
        assert browser.post(path, said).status_code == 400
        text = browser.post(path, {**said, "reason": "worklist"}).content.decode()
        assert "2 images are in the study now" in text
        study = Study.objects.get()
        assert (study.number_of_instances, study.patient_id) == (3, "P-1")
        for image in Instance.objects.all():
            assert b"WRONG" not in b"".join(dicom_bytes(image).chunks())[:1200].partition(b"P-1")[0]
        mismatch.refresh_from_db()
        assert (mismatch.settled_as, mismatch.settled_by) == (Settled.ACCEPTED, technician)
        assert QuarantinedFile.objects.filter(is_open=True).count() == 1
        assert store(site, 5, PatientID="WRONG").outcome == "stored"

    def test_retry(self, logged_in: Any, technician: Any, mismatch: QuarantinedFile) -> None:
        browser = logged_in(technician)
        assert "Refused again" in browser.post(url(mismatch, "retry")).content.decode()
        assert QuarantinedFile.objects.get().is_open
        Study.objects.update(patient_id="WRONG")
        assert "Stored." in browser.post(url(mismatch, "retry")).content.decode()
        assert Instance.objects.count() == 2
        assert not QuarantinedFile.objects.get().is_open
        assert browser.post(url(mismatch, "retry")).status_code == 409

    def test_discard(self, logged_in: Any, technician: Any, damaged: QuarantinedFile) -> None:
        browser, path = logged_in(technician), url(damaged, "discard")
        assert "Discard this file?" in browser.post(path).content.decode()
        damaged.refresh_from_db()
        assert damaged.is_open
        assert browser.post(path, {"confirmed": "yes", "why": " "}).status_code == 409
        assert browser.post(path, {"confirmed": "yes", "why": "a\0b"}).status_code == 409
        browser.post(path, {"confirmed": "yes", "why": "a text file"})
        damaged.refresh_from_db()
        assert (damaged.is_open, damaged.settled_as) == (False, Settled.DISCARDED)
        assert damaged.settled_why == "a text file"
        assert AuditEvent.objects.filter(action="quarantine.discarded").count() == 1
        assert str(damaged.pk) in browser.get("/quarantine/?show=discarded").content.decode()
        assert "data-quarantined" not in browser.get("/quarantine/").content.decode()
        browser.post(url(damaged, "take-back"))
        damaged.refresh_from_db()
        assert damaged.is_open

    def test_bytes_stay_for_a_while(
        self, technician: Any, damaged: QuarantinedFile, site: Any
    ) -> None:
        key = damaged.archive_key
        quarantine.discard(damaged, technician, {}, why="a text file")
        assert quarantine.erase_discarded() == 0
        assert archive.local_path(key).exists()
        QuarantinedFile.objects.update(settled_at=timezone.now() - timedelta(days=31))
        assert quarantine.erase_discarded() == 1
        assert not archive.local_path(key).exists()
        damaged.refresh_from_db()
        with pytest.raises(quarantine.NotPossible):
            quarantine.take_back(damaged, technician, {})
        ingest.store(BytesIO(b"\0" * 200), source="upload:7", site=site)
        damaged.refresh_from_db()
        assert damaged.is_open
        assert archive.local_path(key).exists()

    def test_bytes_that_an_image_needs_stay(
        self, technician: Any, mismatch: QuarantinedFile
    ) -> None:
        quarantine.discard(mismatch, technician, {}, why="wrong")
        image = Instance.objects.get()
        QuarantinedFile.objects.update(
            settled_at=timezone.now() - timedelta(days=31), archive_key=image.archive_key
        )
        assert quarantine.erase_discarded() == 1
        assert archive.local_path(image.archive_key).exists()

    def test_tell_the_site(
        self, logged_in: Any, technician: Any, site: Any, mismatch: QuarantinedFile
    ) -> None:
        browser = logged_in(technician)
        assert "Nobody of this site" in browser.post(url(mismatch, "tell")).content.decode()
        person("told", site, "technician", email="told@example.org")
        assert "told by e-mail" in browser.post(url(mismatch, "tell")).content.decode()
        assert browser.post(url(mismatch, "tell")).status_code == 409
        assert quarantine.tell_sites() == 1
        assert quarantine.tell_sites() == 0
        (sent,) = mail.outbox
        assert sent.to == ["told@example.org"]
        assert "another ID" in sent.body
        assert "WRONG" not in sent.subject + sent.body


class TestList:
    def test_filters(
        self, logged_in: Any, technician: Any, mismatch: QuarantinedFile, damaged: QuarantinedFile
    ) -> None:
        browser = logged_in(technician)
        both = browser.get("/quarantine/").content.decode()
        assert both.count("data-quarantined") == 2
        one = browser.get(f"/quarantine/?reason={Reason.OTHER_PATIENT}").content.decode()
        assert one.count("data-quarantined") == 1
        assert str(mismatch.pk) in one
        text = browser.get("/quarantine/?reason=no&site=x&page=z&show=y").content.decode()
        assert text.count("data-quarantined") == 2
        part = browser.get("/quarantine/", headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in part

    def test_counts(self, site: Any, other_site: Any, mismatch: Any, damaged: Any) -> None:
        found = {str(Reason.OTHER_PATIENT): 1, str(Reason.NOT_DICOM): 1}
        assert quarantine.counts() == found
        assert quarantine.counts([site.pk]) == found
        assert quarantine.counts([other_site.pk]) == {}
