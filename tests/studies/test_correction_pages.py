"""The correction desk's pages: for technicians and administrators of the site, asked twice."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from pacs.audit.models import AuditEvent
from studies.corrections.models import Correction
from studies.corrections.services import Why, correct_facts
from studies.models import Instance, ReadingState, Study
from studies.orders.intake import PatientFacts, take_patient
from studies.services import ingest
from tests.conftest import person
from tests.dicomweb.asking import ct_file

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
HOSTILE = "<script>alert(1)</script>^<b>x"


@pytest.fixture
def study(site: Any) -> Study:
    """A stored study of two series."""
    for series in (1, 2):
        for number in (1, 2):
            file = ct_file(
                study="1.2.3",
                series=f"1.2.3.{series}",
                instance=f"1.2.3.{series}.{number}",
                number=number,
                seed=number,
            )
            ingest.store(BytesIO(file), source="test", site=site)
    return Study.objects.get()


@pytest.fixture
def correction(study: Study, technician: Any) -> Correction:
    made = correct_facts(study.pk, 0, {"PatientName": HOSTILE}, Why(technician, "typing"))
    assert made.correction is not None
    return made.correction


@pytest.fixture
def proposal(study: Study, site: Any) -> Any:
    facts = PatientFacts(patient_id="P-1", patient_name="DOE^Joan")
    (made,) = take_patient(site, facts, source="hl7")
    return made


@pytest.fixture
def north_technician(other_site: Any) -> Any:
    return person("north_technician", other_site, "technician")


def addresses(study: Study, correction: Correction) -> list[str]:
    return [
        f"/studies/{study.pk}/correct/",
        f"/corrections/{correction.pk}/",
        f"/corrections/{correction.pk}/undo/",
    ]


class TestAccess:
    @pytest.mark.parametrize("actor", ["technician", "site_admin", "admin"])
    def test_permitted(
        self, request: Any, logged_in: Any, actor: str, study: Study, correction: Correction
    ) -> None:
        browser = logged_in(request.getfixturevalue(actor))
        for path in [*addresses(study, correction), "/corrections/"]:
            assert browser.get(path).status_code == 200, path

    @pytest.mark.parametrize("actor", ["radiologist", "referrer", "stranger", "north_technician"])
    def test_hidden(
        self, request: Any, logged_in: Any, actor: str, study: Study, correction: Correction
    ) -> None:
        browser = logged_in(request.getfixturevalue(actor))
        for path in addresses(study, correction):
            assert browser.get(path).status_code == 404, path
            assert browser.post(path, {"do": "facts"}).status_code in (404, 405), path
        assert browser.post(addresses(study, correction)[2]).status_code == 404
        correction.refresh_from_db()
        assert correction.undone_at is None
        if actor != "north_technician":
            assert browser.get("/corrections/").status_code == 404

    def test_of_the_other_site_nothing_is_listed(
        self, logged_in: Any, north_technician: Any, correction: Correction, proposal: Any
    ) -> None:
        browser = logged_in(north_technician)
        for show in ("", "proposals", "rejected"):
            assert "Nothing here" in browser.get(f"/corrections/?show={show}").content.decode()
        path = f"/corrections/proposals/{proposal.pk}/dismiss/"
        assert browser.post(path).status_code == 404

    def test_nobody(self, client: Any, study: Study, correction: Correction, proposal: Any) -> None:
        notice = f"/studies/{study.pk}/corrected/"
        for path in [*addresses(study, correction), "/corrections/", notice]:
            reply = client.get(path, headers=BROWSER)
            assert reply["Location"] == f"/login/?next={path}"
        assert client.post(f"/corrections/proposals/{proposal.pk}/dismiss/").status_code == 401

    @pytest.mark.parametrize(
        ("actor", "status"),
        [("radiologist", 200), ("technician", 200), ("referrer", 404), ("stranger", 404)],
    )
    def test_the_notice(
        self,
        request: Any,
        logged_in: Any,
        actor: str,
        status: int,
        study: Study,
        correction: Correction,
    ) -> None:
        browser = logged_in(request.getfixturevalue(actor))
        assert browser.get(f"/studies/{study.pk}/corrected/").status_code == status


def form(study: Study, **said: Any) -> dict[str, Any]:
    return {"version": study.correction_version, "reason": "typing", **said}


class TestDesk:
    def test_asked_twice(self, logged_in: Any, technician: Any, study: Study) -> None:
        browser, path = logged_in(technician), f"/studies/{study.pk}/correct/"
        said = form(study, do="facts", PatientName="ROE^Jane", PatientSex="F")
        preview = browser.post(path, said).content.decode()
        for words in ("is this right?", "DOE^Jane", "ROE^Jane", "Nothing is changed yet"):
            assert words in preview
        study.refresh_from_db()
        assert study.patient_name == "DOE^Jane"
        reply = browser.post(path, {**said, "confirmed": "yes"})
        made = Correction.objects.get()
        assert reply["Location"] == f"/corrections/{made.pk}/"
        study.refresh_from_db()
        assert study.patient_name == "ROE^Jane"
        event = AuditEvent.objects.get(action="study.corrected")
        assert event.actor_name == "technician"
        assert event.address

    def test_undo_is_asked_twice(
        self, logged_in: Any, technician: Any, study: Study, correction: Correction
    ) -> None:
        browser, path = logged_in(technician), f"/corrections/{correction.pk}/undo/"
        assert "Take back now" in browser.get(path).content.decode()
        assert Study.objects.get().patient_name == HOSTILE
        assert browser.post(path).status_code == 302
        assert Study.objects.get().patient_name == "DOE^Jane"
        assert browser.post(path).status_code == 409

    def test_two_technicians(self, logged_in: Any, technician: Any, study: Study) -> None:
        browser, path = logged_in(technician), f"/studies/{study.pk}/correct/"
        said = form(study, do="facts", confirmed="yes")
        assert browser.post(path, {**said, "PatientName": "A^A"}).status_code == 302
        reply = browser.post(path, {**said, "PatientName": "B^B"})
        assert reply.status_code == 409
        assert "Somebody else has corrected this study" in reply.content.decode()
        assert Study.objects.get().patient_name == "A^A"

    def test_markup_is_text(
        self, logged_in: Any, technician: Any, study: Study, correction: Correction
    ) -> None:
        browser = logged_in(technician)
        for path in [
            *addresses(study, correction),
            "/corrections/",
            f"/studies/{study.pk}/corrected/",
        ]:
            text = browser.get(path).content.decode()
            assert "<script>alert" not in text
            assert "&lt;script&gt;" in text

    def test_move_reject_merge(self, logged_in: Any, technician: Any, study: Study) -> None:
        browser, path = logged_in(technician), f"/studies/{study.pk}/correct/"
        series = study.series.order_by("id").last()
        said = form(study, do="move", series=series.pk, target="new")
        assert "Move series: is this right?" in browser.post(path, said).content.decode()
        assert browser.post(path, {**said, "confirmed": "yes"}).status_code == 302
        assert Study.objects.count() == 2
        study.refresh_from_db()
        image = Instance.objects.filter(series__study=study).first()
        said = form(study, do="reject", image=image.pk, reason="quality")
        assert "Reject images" in browser.post(path, said).content.decode()
        assert Instance.objects.filter(series__study=study).count() == 2
        browser.post(path, {**said, "confirmed": "yes"})
        assert Instance.objects.filter(series__study=study).count() == 1
        study.refresh_from_db()
        reply = browser.post(path, form(study, do="merge", into="NOBODY"))
        assert reply.status_code == 400
        assert "no patient of this ID" in reply.content.decode()
        said = form(study, do="reject-study", reason="safety", confirmed="yes")
        assert browser.post(path, said).status_code == 302
        page = browser.get(path).content.decode()
        assert "This study is rejected" in page
        assert "Rejected" in browser.get("/corrections/?show=rejected").content.decode()

    @pytest.mark.parametrize(
        "said",
        [
            {"do": "nothing"},
            {"do": "move", "series": "x", "target": "999999"},
            {"do": "move", "series": "9" * 40, "target": "new"},
            {"do": "facts", "version": ""},
            {"do": "facts", "reason": "x", "PatientName": "A"},
            {"do": "facts", "PatientName": "A" * 500},
            {"do": "proposal", "proposal": "1"},
            {"do": "reject", "reason": "quality"},
            {"do": "merge", "into": "\x00"},
        ],
    )
    def test_nonsense(
        self, logged_in: Any, technician: Any, study: Study, said: dict[str, str]
    ) -> None:
        reply = logged_in(technician).post(f"/studies/{study.pk}/correct/", form(study) | said)
        assert reply.status_code in (400, 404)
        assert not Correction.objects.exists()

    def test_a_proposal(self, logged_in: Any, technician: Any, study: Study, proposal: Any) -> None:
        browser, path = logged_in(technician), f"/studies/{study.pk}/correct/"
        assert "DOE^Joan" in browser.get("/corrections/?show=proposals").content.decode()
        assert "The HIS proposes" in browser.get(path).content.decode()
        said = form(study, do="proposal", proposal=proposal.pk, reason="his", confirmed="yes")
        assert browser.post(path, said).status_code == 302
        assert Study.objects.get().patient_name == "DOE^Joan"
        assert browser.post(f"/corrections/proposals/{proposal.pk}/dismiss/").status_code == 409

    def test_a_proposal_is_dismissed(
        self, logged_in: Any, technician: Any, study: Study, proposal: Any
    ) -> None:
        browser = logged_in(technician)
        assert browser.post(f"/corrections/proposals/{proposal.pk}/dismiss/").status_code == 302
        proposal.refresh_from_db()
        assert proposal.state == "dismissed"
        assert AuditEvent.objects.filter(action="correction.dismissed").exists()


class TestReader:
    def test_is_told_after_signing(
        self, logged_in: Any, radiologist: Any, technician: Any, study: Study
    ) -> None:
        browser, page = logged_in(radiologist), f"/studies/{study.pk}/view/"
        assert "Corrected after signing" not in browser.get(page).content.decode()
        Study.objects.update(reading_state=ReadingState.FINAL)
        correct_facts(study.pk, 0, {"PatientName": "ROE^Jane"}, Why(technician, "typing"))
        text = browser.get(page, headers=BROWSER).content.decode()
        assert "Corrected after signing" in text
        assert "/correct/" not in text
        assert "/correct/" in logged_in(technician).get(page, headers=BROWSER).content.decode()
        notice = browser.get(f"/studies/{study.pk}/corrected/").content.decode()
        assert "after signing" in notice
        assert "ROE^Jane" in notice

    def test_a_rejected_study_opens_for_administrators_only(
        self, logged_in: Any, radiologist: Any, admin: Any, technician: Any, study: Study
    ) -> None:
        said = form(study, do="reject-study", reason="safety", confirmed="yes")
        logged_in(technician).post(f"/studies/{study.pk}/correct/", said)
        page = f"/studies/{study.pk}/view/"
        for user in (radiologist, technician):
            assert logged_in(user).get(page, headers=BROWSER).status_code == 404
        assert "Rejected" in logged_in(admin).get(page, headers=BROWSER).content.decode()
        for user in (radiologist, admin):
            assert "DOE, Jane" not in logged_in(user).get("/").content.decode()


def test_what_comes_after_a_rejection_is_shown(
    logged_in: Any, technician: Any, study: Study, site: Any
) -> None:
    browser, path = logged_in(technician), f"/studies/{study.pk}/correct/"
    said = form(study, do="reject-study", reason="quality")
    assert "vanish with it" in browser.post(path, said).content.decode()
    browser.post(path, {**said, "confirmed": "yes"})
    file = ct_file(study="1.2.3", series="1.2.3.7", instance="1.2.3.7.1", seed=9)
    ingest.store(BytesIO(file), source="test", site=site)
    assert "1 came since" in browser.get("/corrections/?show=rejected").content.decode()


def test_whom_a_preview_shows_is_in_the_trail(
    logged_in: Any, technician: Any, study: Study, site: Any
) -> None:
    file = ct_file(study="1.2.4", series="1.2.4.1", PatientID="P-2", PatientName="ROE^Richard")
    ingest.store(BytesIO(file), source="test", site=site)
    other = Study.objects.get(patient_id="P-2")
    page = logged_in(technician).post(
        f"/studies/{study.pk}/correct/", form(study, do="merge", into="P-2")
    )
    assert "ROE^Richard" in page.content.decode()
    assert AuditEvent.objects.filter(
        action="patient.opened", patient_id=other.patient_ref_id
    ).exists()
