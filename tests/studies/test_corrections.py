"""Corrections: an overlay everywhere, the bytes as they came, and back again."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connections
from pydicom import dcmread
from pydicom.uid import generate_uid

from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies import archive, documents
from studies.corrections.errors import Refused, Stale, WrongValue
from studies.corrections.models import Correction, ReceivedAs, RejectedStudy
from studies.corrections.services import (
    Why,
    accept_patient,
    carry_out_proposal,
    correct_facts,
    merge_patients,
    move_series,
    reject_images,
    reject_study,
    undo,
)
from studies.models import (
    Instance,
    MetadataDocument,
    Patient,
    QuarantinedFile,
    ReadingState,
    Series,
    Study,
)
from studies.orders.intake import OrderFacts, PatientFacts, take_orders, take_patient
from studies.orders.models import CorrectionProposal, Order
from studies.services import ingest
from studies.services.outgoing import dicom_bytes
from tests.dicomweb.asking import ct_file

UID = "1.2.826.0.1.3680043.10.77"


def put(site: Any, study: int = 1, series: int = 1, number: int = 1, **elements: Any) -> Any:
    file = ct_file(
        study=f"{UID}.{study}",
        series=f"{UID}.{study}.{series}",
        instance=f"{UID}.{study}.{series}.{number}",
        number=number,
        seed=number,
        **elements,
    )
    return ingest.store(BytesIO(file), source="test", site=site)


def of(number: int) -> Study:
    return Study.objects.get(study_instance_uid=f"{UID}.{number}")


def served(instance: Instance) -> Any:
    return dcmread(BytesIO(b"".join(dicom_bytes(instance).chunks())))


@pytest.fixture
def why(technician: Any) -> Why:
    return Why(technician, "typing")


@pytest.fixture
def studies(site: Any) -> None:
    """Two studies of two patients: the first of two series with two images each."""
    for series in (1, 2):
        for number in (1, 2):
            put(site, 1, series, number)
    put(site, 2, PatientID="P-2", PatientName="ROE^Richard", AccessionNumber="A-2")


@pytest.mark.usefixtures("studies")
class TestFacts:
    def test_rows_documents_and_files_say_the_same(self, why: Why) -> None:
        before = {i.pk: archive.local_path(i.archive_key).read_bytes() for i in _all()}
        said = {"PatientName": "MÜLLER^Jürgen", "PatientID": "P-9", "StudyDescription": "CT knee"}
        outcome = correct_facts(of(1).pk, 0, said, why)
        study = of(1)
        assert (study.patient_name, study.patient_id) == ("MÜLLER^Jürgen", "P-9")
        assert study.patient_ref.patient_id == "P-9"
        assert "muller jurgen" in study.search_text
        assert "p-9" in study.search_text
        assert study.name_key == "\n muller jurgen\n"
        assert outcome.images == 4
        for instance in _all(1):
            dataset = served(instance)
            assert str(dataset.PatientName) == "MÜLLER^Jürgen"
            assert (dataset.PatientID, dataset.StudyDescription) == ("P-9", "CT knee")
            item = dataset.OriginalAttributesSequence[0]
            assert item.ReasonForTheAttributeModification == "CORRECT"
            assert item.ModifiedAttributesSequence[0].PatientName == "DOE^Jane"
            document = documents.get_many(study.site_id, [instance.sop_instance_uid])
            (body,) = document.values()
            assert body["00100020"]["Value"] == ["P-9"]
            assert body["00100010"]["Value"] == [{"Alphabetic": "MÜLLER^Jürgen"}]
            assert "04000561" in body
        assert {i.pk: archive.local_path(i.archive_key).read_bytes() for i in _all()} == before

    def test_audit_event_and_version(self, why: Why) -> None:
        correct_facts(of(1).pk, 0, {"StudyDescription": "CT knee"}, why)
        event = AuditEvent.objects.get(action="study.corrected")
        assert event.detail["fields"] == ["study_description"]
        assert "knee" not in str(event.detail)
        assert SiteEvent.objects.filter(type="study.corrected", study_id=of(1).pk).count() == 1
        assert of(1).correction_version == 1

    def test_a_preview_changes_nothing(self, why: Why) -> None:
        shown = correct_facts(of(1).pk, 0, {"PatientName": "X^Y"}, why, dry=True)
        assert [(one.old, one.new) for one in shown.changes] == [("DOE^Jane", "X^Y")]
        assert of(1).patient_name == "DOE^Jane"
        assert not Correction.objects.exists()
        assert not SiteEvent.objects.filter(type="study.corrected").exists()

    def test_two_at_once(self, why: Why) -> None:
        correct_facts(of(1).pk, 0, {"PatientName": "X^Y"}, why)
        with pytest.raises(Stale):
            correct_facts(of(1).pk, 0, {"PatientName": "Z^Z"}, why)
        assert of(1).patient_name == "X^Y"

    def test_undo(self, why: Why, technician: Any) -> None:
        file = archive.local_path(_all(1)[0].archive_key).read_bytes()
        made = correct_facts(of(1).pk, 0, {"PatientName": "X^Y", "PatientID": "P-9"}, why)
        assert made.correction is not None
        undo(made.correction.pk, technician, {})
        study = of(1)
        assert (study.patient_name, study.patient_id, study.corrected) == ("DOE^Jane", "P-1", "")
        assert study.patient_ref.patient_id == "P-1"
        assert b"".join(dicom_bytes(_all(1)[0]).chunks()) == file
        assert not MetadataDocument.objects.filter(overlay__isnull=False).exists()
        assert not ReceivedAs.objects.exists()
        with pytest.raises(Refused):
            undo(made.correction.pk, technician, {})

    def test_undo_after_further_corrections(self, why: Why, technician: Any) -> None:
        first = correct_facts(of(1).pk, 0, {"PatientName": "X^Y"}, why).correction
        other = correct_facts(of(1).pk, 1, {"StudyDescription": "CT knee"}, why).correction
        again = correct_facts(of(1).pk, 2, {"PatientName": "Z^Z"}, why).correction
        assert first
        assert other
        assert again
        with pytest.raises(Refused, match="corrected again"):
            undo(first.pk, technician, {})
        assert of(1).patient_name == "Z^Z"
        undo(other.pk, technician, {})
        undo(again.pk, technician, {})
        assert of(1).patient_name == "X^Y"
        assert of(1).corrected == "PatientName"
        undo(first.pk, technician, {})
        assert of(1).corrected == ""

    @pytest.mark.parametrize(
        ("keyword", "value"),
        [
            ("PatientName", "A\\B"),
            ("PatientName", "A" * 65),
            ("PatientName", "a^b^c^d^e^f"),
            ("PatientID", ""),
            ("PatientID", "1\x07"),
            ("PatientBirthDate", "1999-02-30"),
            ("PatientBirthDate", "2999-01-01"),
            ("PatientSex", "X"),
            ("StudyDescription", "x" * 500),
            ("AccessionNumber", "1" * 17),
            ("StudyTime", "25:00"),
        ],
    )
    def test_what_is_no_value(self, why: Why, keyword: str, value: str) -> None:
        with pytest.raises(WrongValue) as caught:
            correct_facts(of(1).pk, 0, {keyword: value}, why)
        assert caught.value.field == keyword

    @pytest.mark.parametrize(
        "name", ["قباني^لنزار", "<b>Bold</b>^<img src=x>", "ヤマダ^タロウ=山田^太郎"]
    )
    def test_strange_names(self, why: Why, name: str) -> None:
        correct_facts(of(1).pk, 0, {"PatientName": name}, why)
        assert str(served(_all(1)[0]).PatientName) == name

    def test_a_long_description_that_stays(self, site: Any, why: Why) -> None:
        put(site, 3, StudyDescription="x" * 500, PatientID="P-3")
        correct_facts(of(3).pk, 0, {"PatientName": "X^Y", "StudyDescription": "x" * 500}, why)
        assert served(_all(3)[0]).StudyDescription == "x" * 500

    def test_no_birth_date_gets_one(self, why: Why) -> None:
        correct_facts(of(1).pk, 0, {"PatientBirthDate": "1980-03-04"}, why)
        dataset = served(_all(1)[0])
        assert dataset.PatientBirthDate == "19800304"
        item = dataset.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
        assert item["PatientBirthDate"].value == ""

    def test_the_same_id_at_two_sites(self, why: Why, other_site: Any) -> None:
        put(other_site, 5)
        correct_facts(of(1).pk, 0, {"PatientName": "X^Y"}, why, all_of_patient=True)
        assert of(5).patient_name == "DOE^Jane"

    def test_nothing_changes(self, why: Why) -> None:
        with pytest.raises(Refused, match="Nothing would change"):
            correct_facts(of(1).pk, 0, {"PatientName": "DOE^Jane"}, why)

    def test_a_reason_is_needed(self, technician: Any) -> None:
        for reason, note in (("", ""), ("other", " ")):
            with pytest.raises(Refused):
                correct_facts(of(1).pk, 0, {"PatientName": "X"}, Why(technician, reason, note))

    def test_after_signing_is_noted(self, why: Why) -> None:
        Study.objects.filter(pk=of(1).pk).update(reading_state=ReadingState.FINAL)
        made = correct_facts(of(1).pk, 0, {"PatientName": "X^Y"}, why)
        assert made.correction is not None
        assert made.correction.after_signing
        event = SiteEvent.objects.get(type="study.corrected")
        assert event.extra["after_signing"] is True


@pytest.mark.usefixtures("studies")
class TestLateImages:
    def test_the_old_id_belongs_to_the_corrected_study(self, site: Any, why: Why) -> None:
        correct_facts(of(1).pk, 0, {"PatientID": "P-9", "PatientName": "X^Y"}, why)
        assert put(site, 1, 1, 3).outcome == "stored"
        assert put(site, 1, 3, 1).outcome == "stored"
        late = Instance.objects.get(sop_instance_uid=f"{UID}.1.3.1")
        assert (served(late).PatientID, str(served(late).PatientName)) == ("P-9", "X^Y")
        (body,) = documents.get_many(site.pk, [late.sop_instance_uid]).values()
        assert body["00100020"]["Value"] == ["P-9"]
        assert not of(1).name_conflict
        assert put(site, 1, 1, 4, PatientID="P-77").outcome == "quarantined"

    def test_what_was_sent_comes_back(self, site: Any, why: Why) -> None:
        """An Orthanc that is followed gives back what was sent to it."""
        correct_facts(of(1).pk, 0, {"PatientID": "P-9", "PatientName": "MÜLLER^Jürgen"}, why)
        sent = b"".join(dicom_bytes(_all(1)[0]).chunks())
        assert ingest.store(BytesIO(sent), source="orthanc:1", site=site).outcome == "duplicate"
        other = dcmread(BytesIO(sent))
        other.PatientName = "SOMEBODY^Else"
        buffer = BytesIO()
        other.save_as(buffer)
        buffer.seek(0)
        assert ingest.store(buffer, source="orthanc:1", site=site).outcome == "quarantined"

    def test_of_a_moved_series(self, site: Any, why: Why) -> None:
        series = of(1).series.get(series_instance_uid=f"{UID}.1.2")
        move_series(of(1).pk, 0, [series.pk], of(2).pk, why)
        result = put(site, 1, 2, 3)
        assert (result.outcome, result.study_id) == ("stored", of(2).pk)
        late = Instance.objects.get(sop_instance_uid=f"{UID}.1.2.3")
        assert late.series_id == series.pk
        assert served(late).StudyInstanceUID == f"{UID}.2"
        assert served(late).PatientID == "P-2"
        assert put(site, 1, 1, 3).study_id == of(1).pk

    def test_while_it_is_receiving(self, site: Any, why: Why) -> None:
        assert of(1).arrival == "receiving"
        correct_facts(of(1).pk, 0, {"StudyDescription": "CT knee"}, why)
        put(site, 1, 1, 3)
        assert of(1).number_of_instances == 5
        assert served(Instance.objects.get(sop_instance_uid=f"{UID}.1.1.3")).StudyDescription == (
            "CT knee"
        )

    def test_a_new_study_of_a_merged_patient(self, site: Any, why: Why) -> None:
        merge_patients(of(1).pk, 0, {"PatientID": "P-2"}, why)
        put(site, 4)
        assert (of(4).patient_id, of(4).patient_name) == ("P-2", "ROE^Richard")
        assert served(_all(4)[0]).PatientID == "P-2"
        assert put(site, 4, 1, 2).outcome == "stored"


@pytest.mark.usefixtures("studies")
class TestMoving:
    def test_to_another_study(self, why: Why, technician: Any) -> None:
        series = of(1).series.get(series_instance_uid=f"{UID}.1.2")
        made = move_series(of(1).pk, 0, [series.pk], of(2).pk, why)
        assert (of(1).number_of_instances, of(1).number_of_series) == (2, 1)
        assert (of(2).number_of_instances, of(2).number_of_series) == (3, 2)
        dataset = served(Instance.objects.filter(series=series.pk)[0])
        assert dataset.StudyInstanceUID == f"{UID}.2"
        assert (dataset.PatientID, str(dataset.PatientName)) == ("P-2", "ROE^Richard")
        assert dataset.AccessionNumber == "A-2"
        modified = dataset.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
        assert modified.StudyInstanceUID == f"{UID}.1"
        series.refresh_from_db()
        series = Series.objects.select_related("study").get(pk=series.pk)
        assert documents.series_json(series).count(f'"{UID}.2"'.encode()) >= 2
        assert made.correction is not None
        undo(made.correction.pk, technician, {})
        assert (of(1).number_of_instances, of(2).number_of_instances) == (4, 1)
        assert dicom_bytes(_all(1)[3]).is_original

    def test_to_a_study_of_its_own(self, why: Why, technician: Any) -> None:
        series = of(1).series.get(series_instance_uid=f"{UID}.1.2")
        made = move_series(of(1).pk, 0, [series.pk], None, why)
        new = Study.objects.get(series=series)
        assert new.study_instance_uid.startswith("2.25.")
        assert (new.patient_id, new.number_of_instances) == ("P-1", 2)
        assert (
            served(Instance.objects.filter(series=series.pk)[0]).StudyInstanceUID
            == new.study_instance_uid
        )
        assert made.correction is not None
        undo(made.correction.pk, technician, {})
        assert new not in Study.objects.visible_to(technician)
        assert of(1).number_of_instances == 4

    def test_everything(self, why: Why, technician: Any, site: Any) -> None:
        series = list(of(1).series.values_list("id", flat=True))
        with pytest.raises(Refused, match="nothing would be left"):
            move_series(of(1).pk, 0, series, None, why)
        made = move_series(of(1).pk, 0, series, of(2).pk, why)
        assert of(1) not in Study.objects.visible_to(technician)
        assert put(site, 1, 3, 1).study_id == of(2).pk
        assert of(2).number_of_instances == 6
        assert made.correction is not None
        undo(made.correction.pk, technician, {})
        assert of(1) in Study.objects.visible_to(technician)
        assert of(1).number_of_instances == 4

    def test_what_is_refused(self, why: Why, other_site: Any) -> None:
        put(other_site, 5)
        series = of(1).series.first().pk
        for ids, target in (([], None), ([999], None), ([series], of(1).pk), ([series], of(5).pk)):
            with pytest.raises(Refused):
                move_series(of(1).pk, 0, ids, target, why)


@pytest.mark.usefixtures("studies")
class TestMerging:
    def test_and_back(self, why: Why, technician: Any, site: Any) -> None:
        put(site, 3)
        made = merge_patients(of(1).pk, 0, {"PatientID": "P-2"}, why)
        for number in (1, 3):
            assert (of(number).patient_id, of(number).patient_name) == ("P-2", "ROE^Richard")
            assert served(_all(number)[0]).PatientID == "P-2"
        assert put(site, 1, 1, 3).outcome == "stored"
        assert made.correction is not None
        undo(made.correction.pk, technician, {})
        assert {of(1).patient_id, of(3).patient_id} == {"P-1"}
        assert served(_all(1)[0]).PatientID == "P-1"
        assert not Patient.objects.exclude(merged_into=None).exists()

    def test_cycles(self, why: Why) -> None:
        merge_patients(of(1).pk, 0, {"PatientID": "P-2"}, why)
        with pytest.raises(Refused, match="merged into"):
            merge_patients(of(2).pk, 0, {"PatientID": "P-1"}, why)
        with pytest.raises(Refused, match="same patient"):
            merge_patients(of(2).pk, 0, {"PatientID": "P-2"}, why)
        with pytest.raises(Refused, match="no patient"):
            merge_patients(of(2).pk, 0, {"PatientID": "NOBODY"}, why)

    def test_a_proposal_of_the_his(self, why: Why, site: Any, technician: Any) -> None:
        facts = PatientFacts(patient_id="P-2", prior_patient_id="P-1")
        (proposal,) = take_patient(site, facts, source="hl7", merge=True)
        assert of(1).patient_id == "P-1"
        made = carry_out_proposal(proposal, of(1).pk, 0, why)
        assert of(1).patient_id == "P-2"
        proposal.refresh_from_db()
        assert (proposal.state, proposal.decided_by) == ("accepted", technician)
        with pytest.raises(Refused, match="decided already"):
            carry_out_proposal(proposal, of(2).pk, 0, why)
        assert made.correction is not None
        undo(made.correction.pk, technician, {})
        assert CorrectionProposal.objects.get().state == "open"

    def test_an_update_of_the_his(self, why: Why, site: Any) -> None:
        facts = PatientFacts(patient_id="P-1", patient_name="DOE^Joan", patient_sex="F")
        (proposal,) = take_patient(site, facts, source="hl7")
        carry_out_proposal(proposal, of(1).pk, 0, why)
        assert (of(1).patient_name, of(1).patient_sex) == ("DOE^Joan", "F")
        assert of(1).patient_ref.patient_name == "DOE^Joan"


@pytest.mark.usefixtures("studies")
class TestRejecting:
    def test_images(self, technician: Any, admin: Any, site: Any) -> None:
        why = Why(technician, "quality")
        gone = Instance.objects.get(sop_instance_uid=f"{UID}.1.1.2")
        made = reject_images(of(1).pk, 0, [], [gone.pk], why)
        assert of(1).number_of_instances == 3
        assert not Instance.objects.filter(series__study=of(1), pk=gone.pk).exists()
        holder = Study.objects.get(rejection__of=of(1))
        assert holder not in Study.objects.visible_to(technician)
        assert holder in Study.objects.visible_to(admin, rejected=True)
        assert put(site, 1, 1, 2).outcome == "duplicate"
        assert of(1).number_of_instances == 3
        assert made.correction is not None
        undo(made.correction.pk, technician, {})
        assert of(1).number_of_instances == 4
        assert dicom_bytes(Instance.objects.get(pk=gone.pk)).is_original

    def test_a_series(self, technician: Any, site: Any) -> None:
        """It goes as a whole, leaves no empty series behind, and what still comes of it follows."""
        why = Why(technician, "quality")
        series = of(1).series.get(series_instance_uid=f"{UID}.1.2")
        single = series.instances.first()
        first = reject_images(of(1).pk, 0, [], [single.pk], why)
        second = reject_images(of(1).pk, 1, [series.pk], [], why)
        assert (of(1).number_of_series, of(1).number_of_instances) == (1, 2)
        assert of(1).series.count() == 1
        assert put(site, 1, 2, 3).outcome == "stored"
        assert of(1).number_of_instances == 2
        assert second.correction
        undo(second.correction.pk, technician, {})
        assert (of(1).number_of_series, of(1).number_of_instances) == (2, 4)
        assert first.correction
        undo(first.correction.pk, technician, {})
        assert of(1).number_of_instances == 5
        assert all(dicom_bytes(image).is_original for image in _all(1))

    def test_all_images(self, technician: Any) -> None:
        series = list(of(1).series.values_list("id", flat=True))
        with pytest.raises(Refused, match="whole study"):
            reject_images(of(1).pk, 0, series, [], Why(technician, "quality"))

    def test_a_study(self, technician: Any, radiologist: Any, admin: Any) -> None:
        made = reject_study(of(1).pk, 0, Why(technician, "safety"))
        for user in (technician, radiologist, admin):
            assert of(1) not in Study.objects.visible_to(user)
        assert of(1) in Study.objects.visible_to(admin, rejected=True)
        assert of(1) not in Study.objects.visible_to(technician, rejected=True)
        with pytest.raises(Refused, match="rejected"):
            correct_facts(of(1).pk, 1, {"PatientName": "X"}, Why(technician, "typing"))
        assert made.correction is not None
        undo(made.correction.pk, technician, {})
        assert of(1) in Study.objects.visible_to(radiologist)
        assert not RejectedStudy.objects.exists()

    def test_reasons_of_its_own(self, why: Why) -> None:
        with pytest.raises(Refused, match="no reason to reject"):
            reject_study(of(1).pk, 0, why)


@pytest.mark.usefixtures("studies")
def test_accepting_another_patient(site: Any, why: Why) -> None:
    assert put(site, 1, 1, 9, PatientID="P-7", PatientName="WRONG").outcome == "quarantined"
    accept_patient(of(1).pk, "P-7", "", why)
    assert put(site, 1, 1, 9, PatientID="P-7", PatientName="WRONG").outcome == "stored"
    image = Instance.objects.get(sop_instance_uid=f"{UID}.1.1.9")
    assert (served(image).PatientID, str(served(image).PatientName)) == ("P-1", "DOE^Jane")
    assert QuarantinedFile.objects.count() == 1


def test_two_thousand_images(site: Any, technician: Any, make_study: Any) -> None:
    """In two seconds, on a busy machine too."""
    from time import perf_counter

    put(site, 1)
    series = of(1).series.get()
    image, document = Instance.objects.get(), MetadataDocument.objects.get()
    images, bodies = [], []
    for number in range(2, 2001):
        uid = generate_uid()
        image.pk, image.sop_instance_uid = None, uid
        images.append(
            Instance(**{f.attname: getattr(image, f.attname) for f in image._meta.fields})
        )
        bodies.append(
            MetadataDocument(
                site=site,
                sop_instance_uid=uid,
                series_instance_uid=series.series_instance_uid,
                study_instance_uid=of(1).study_instance_uid,
                instance_number=number,
                body=document.body | {"00081140": {"vr": "LO", "Value": ["x" * 3000]}},
            )
        )
    Instance.objects.bulk_create(images, batch_size=200)
    MetadataDocument.objects.bulk_create(bodies, batch_size=200)
    began = perf_counter()
    correct_facts(
        of(1).pk, 0, {"PatientName": "X^Y", "PatientID": "P-9"}, Why(technician, "typing")
    )
    took = perf_counter() - began
    assert MetadataDocument.objects.filter(overlay__isnull=False).count() == 2000
    print(f"2000 images corrected in {took:.2f} s")
    assert took <= 2


@pytest.mark.django_db(transaction=True)
def test_two_technicians_at_once_and_images_meanwhile(site: Any, technician: Any) -> None:
    """One of them wins, the other is told; no image is lost or uncorrected."""
    put(site, 1)
    study, start = of(1), Barrier(3)
    outcomes: list[str] = []

    def correct(name: str) -> None:
        start.wait(10)
        try:
            correct_facts(study.pk, 0, {"PatientName": name}, Why(technician, "typing"))
            outcomes.append("done")
        except Stale:
            outcomes.append("stale")
        finally:
            connections.close_all()

    def receive() -> None:
        start.wait(10)
        for number in range(2, 12):
            outcomes.append(put(site, 1, 1, number).outcome)
        connections.close_all()

    threads = [Thread(target=correct, args=(name,)) for name in ("A^A", "B^B")]
    threads.append(Thread(target=receive))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["done", "stale"] + ["stored"] * 10
    assert of(1).number_of_instances == 11
    assert {str(served(image).PatientName) for image in _all(1)} == {of(1).patient_name}
    found = documents.get_many(site.pk, [image.sop_instance_uid for image in _all(1)])
    names = {document["00100010"]["Value"][0]["Alphabetic"] for document in found.values()}
    assert names == {of(1).patient_name}


def _all(number: int | None = None) -> list[Instance]:
    rows = Instance.objects.select_related("series__study").order_by("id")
    if number is not None:
        rows = rows.filter(series__study__study_instance_uid=f"{UID}.{number}")
    return list(rows)


@pytest.mark.usefixtures("studies")
class TestCorrectionsOnCorrections:
    def test_late_images_after_a_second_correction(self, site: Any, why: Why) -> None:
        correct_facts(of(1).pk, 0, {"PatientID": "P-9"}, why)
        series = of(1).series.get(series_instance_uid=f"{UID}.1.2")
        move_series(of(1).pk, 1, [series.pk], of(2).pk, why)
        assert put(site, 1, 2, 3).study_id == of(2).pk
        assert put(site, 1, 1, 3).study_id == of(1).pk
        put(site, 6, PatientID="P-6")
        move_series(of(2).pk, of(2).correction_version, [series.pk], of(6).pk, why)
        assert put(site, 1, 2, 4).study_id == of(6).pk

    def test_a_rejected_series_of_a_corrected_study_stays_away(
        self, site: Any, technician: Any
    ) -> None:
        correct_facts(of(1).pk, 0, {"PatientID": "P-9"}, Why(technician, "typing"))
        series = of(1).series.get(series_instance_uid=f"{UID}.1.2")
        reject_images(of(1).pk, 1, [series.pk], [], Why(technician, "quality"))
        put(site, 1, 2, 3)
        assert of(1).number_of_instances == 2

    def test_the_order_follows_its_patient(self, site: Any, why: Why, technician: Any) -> None:
        own = {"PatientID": "P-3", "PatientBirthDate": "19700131", "AccessionNumber": "A-3"}
        order = OrderFacts(
            control="new", patient_id="P-3", patient_birth_date="19700131", accession_number="A-3"
        )
        take_orders(site, [order], source="test")
        put(site, 3, **own)
        assert Order.objects.get().study_id == of(3).pk
        made = correct_facts(of(3).pk, 0, {"PatientID": "P-2"}, why).correction
        assert Order.objects.get().study_id is None
        assert made is not None
        undo(made.pk, technician, {})
        assert Order.objects.get().study_id == of(3).pk
        reject_study(of(3).pk, of(3).correction_version, Why(technician, "quality"))
        put(site, 4, **own)  # the repeat
        assert Order.objects.get().study_id == of(4).pk

    def test_taking_back_around_an_acceptance(self, site: Any, why: Why, technician: Any) -> None:
        first = correct_facts(of(1).pk, 0, {"PatientName": "X^Y"}, why).correction
        other = {"PatientID": "P-7", "PatientName": "WRONG"}
        put(site, 1, 1, 9, **other)
        accepted = accept_patient(of(1).pk, "P-7", "", why).correction
        assert first is not None
        assert accepted is not None
        assert put(site, 1, 1, 9, **other).outcome == "stored"
        undo(first.pk, technician, {})
        image = Instance.objects.get(sop_instance_uid=f"{UID}.1.1.9")
        seen = served(image)
        assert (seen.PatientID, str(seen.PatientName)) == ("P-1", "DOE^Jane")
        with pytest.raises(Refused, match="another patient"):
            undo(accepted.pk, technician, {})

    def test_a_merge_looks_at_what_is_so_now(self, why: Why, monkeypatch: Any) -> None:
        """Two technicians merge two patients into one another at once: no ring, nothing swapped."""
        stale = Patient.objects.get(patient_id="P-1")  # as the other transaction has read it
        merge_patients(of(1).pk, 0, {"PatientID": "P-2"}, why)
        monkeypatch.setattr("studies.corrections.services._target", lambda study, into: stale)
        with pytest.raises(Refused, match="merged into"):
            merge_patients(of(2).pk, of(2).correction_version, {"PatientID": "P-1"}, why)

    def test_what_was_previewed_is_what_is_done(self, why: Why) -> None:
        ids = [of(1).series.get(series_instance_uid=f"{UID}.1.2").pk]
        shown = move_series(of(1).pk, 0, ids, of(2).pk, why, dry=True)
        correct_facts(of(2).pk, 0, {"PatientName": "OTHER^One"}, why)
        with pytest.raises(Stale):
            move_series(of(1).pk, 0, ids, of(2).pk, replace(why, seen=shown.seen))
        shown = move_series(of(1).pk, 0, ids, of(2).pk, why, dry=True)
        assert move_series(of(1).pk, 0, ids, of(2).pk, replace(why, seen=shown.seen)).correction

    def test_a_split_is_done_as_it_was_previewed(self, why: Why) -> None:
        ids = [of(1).series.get(series_instance_uid=f"{UID}.1.2").pk]
        shown = move_series(of(1).pk, 0, ids, None, why, dry=True)
        assert move_series(of(1).pk, 0, ids, None, replace(why, seen=shown.seen)).correction

    def test_dates_as_the_page_shows_them_are_no_change(self, site: Any, why: Why) -> None:
        put(site, 3, PatientID="P-3", PatientBirthDate="19800304", PatientAge="046Y")
        day = of(3).study_date
        dates = {
            "PatientBirthDate": "1980-03-04",
            "StudyDate": f"{day[:4]}-{day[4:6]}-{day[6:]}",
        }
        with pytest.raises(Refused, match="Nothing would change"):
            correct_facts(of(3).pk, 0, dates, why)
        correct_facts(of(3).pk, 0, {**dates, "StudyDescription": "CT knee"}, why)
        assert (of(3).corrected, of(3).patient_age) == ("StudyDescription", "046Y")
        assert served(_all(3)[0]).PatientAge == "046Y"

    def test_taking_back_after_signing_is_noted(self, why: Why, technician: Any) -> None:
        made = correct_facts(of(1).pk, 0, {"PatientName": "X^Y"}, why).correction
        assert made is not None
        Study.objects.filter(pk=of(1).pk).update(reading_state=ReadingState.FINAL)
        undo(made.pk, technician, {})
        assert of(1).touched_by.filter(after_signing=True).exists()
