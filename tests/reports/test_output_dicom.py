"""The DICOM objects of a version: valid, readable, the same every time, and in the study once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import generate_uid

from pacs.accounts.models import User
from reports.models import ReportVersion, VersionKind
from reports.output import dicom, encapsulated, keep, pdf, sr
from reports.output.typesetter import typesetter
from studies.annotations.models import Measurement
from studies.models import Arrival, Instance, ReadingState, Study
from tests.dicomweb.asking import Stored, ct_file, store
from tests.reports import factories_output as made

pytestmark = pytest.mark.django_db
DCIODVFY = Path(sys.executable).with_name("dciodvfy")


@pytest.fixture(scope="module", autouse=True)
def _typesetter() -> Iterator[None]:
    yield
    typesetter().close()


@pytest.fixture
def stored(site: Any) -> Stored:
    return store(
        site,
        ct_file(
            study=generate_uid(),
            series=generate_uid(),
            PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
            SpecificCharacterSet="ISO_IR 192",
            PatientBirthDate="19700101",
            PatientSex="M",
            ReferringPhysicianName="Haddad^Samir^^Dr.",
            StudyDescription="CT chest",
        ),
    )


@pytest.fixture
def signed(stored: Stored, radiologist: User) -> ReportVersion:
    """A report with a key image and a measurement on a stored image."""
    study = Study.objects.get(pk=stored.study_pk)
    radiologist.first_name, radiologist.last_name = "Änne", "Müller"
    radiologist.save()
    where = {"sop_instance_uid": stored.instance, "series_instance_uid": stored.series}
    row = Measurement.objects.create(
        study=study,
        author=radiologist,
        tool="length",
        points=[[1, 2], [9, 12]],
        values=[{"name": "length", "value": 12.34, "unit": "mm"}],
        **where,
    )
    return made.version(
        study,
        radiologist,
        sections={
            **made.SECTIONS,
            "other": "<p>結節を認めます。 \\ ^ &amp; &lt;b&gt;</p>"
            "<table><tr><th>Lesion</th><th>mm</th></tr><tr><td>RUL</td><td>12</td></tr></table>",
        },
        key_images=[made.key_image(study.site_id, made.png(size=64), **where)],
        measurements=[made.measurement(id=str(row.pk))],
    )


def complaints(data: bytes, tmp_path: Path) -> list[str]:
    """What dciodvfy calls an error."""
    path = tmp_path / "object.dcm"
    path.write_bytes(data)
    said = subprocess.run([DCIODVFY, path], capture_output=True, text=True, timeout=60)
    lines = (said.stdout + said.stderr).splitlines()
    assert lines, "dciodvfy names at least what it has recognised"
    return [line for line in lines if line.startswith("Error")]


def dumped(data: bytes, tmp_path: Path) -> str:
    """The text of a structured report as dcmtk reads it."""
    path = tmp_path / "report.dcm"
    path.write_bytes(data)
    said = subprocess.run(
        ["dsrdump", "+U8", "+Pl", path], capture_output=True, text=True, timeout=60, check=True
    )
    assert "error" not in said.stderr.lower(), said.stderr
    return said.stdout


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(BytesIO(data))


def test_the_text_is_valid_and_readable(signed: ReportVersion, tmp_path: Path) -> None:
    data = sr.basic_text_sr(signed)
    assert complaints(data, tmp_path) == []
    text = dumped(data, tmp_path)
    for said in (
        "Basic Text SR",
        "山田",
        "Impressions",
        "1. Growing nodule of the right upper lobe.",
        "12.3 mm",
        "Müller^Änne",
        "Key Images",
        "結節を認めます。 \\ ^ & <b>",
        "RUL | 12",
    ):
        assert said in text, said
    assert "<p>" not in text


def test_whose_it_is(signed: ReportVersion, stored: Stored) -> None:
    dataset = read(sr.basic_text_sr(signed))
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert str(dataset.PatientName) == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert (dataset.PatientID, dataset.AccessionNumber) == ("P-1", "A-1")
    assert dataset.StudyInstanceUID == stored.study
    assert (dataset.CompletionFlag, dataset.VerificationFlag) == ("COMPLETE", "VERIFIED")
    evidence = dataset.CurrentRequestedProcedureEvidenceSequence[0]
    referenced = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert referenced.ReferencedSOPInstanceUID == stored.instance


def test_what_was_corrected_is_in_it(signed: ReportVersion) -> None:
    Study.objects.filter(pk=signed.report.study_id).update(
        patient_name="Right^Name", patient_name_ideographic="", patient_name_phonetic=""
    )
    assert str(read(sr.basic_text_sr(signed)).PatientName) == "Right^Name"


def test_the_same_bytes_every_time(signed: ReportVersion) -> None:
    for make in (sr.basic_text_sr, sr.measurement_report, encapsulated.encapsulated_pdf):
        assert make(signed) == make(signed)


def test_without_key_images(study: Any, radiologist: Any, tmp_path: Path) -> None:
    plain = made.version(study, radiologist, kind=VersionKind.PRELIMINARY)
    data = sr.basic_text_sr(plain)
    assert complaints(data, tmp_path) == []
    dataset = read(data)
    assert (dataset.PreliminaryFlag, dataset.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert "CurrentRequestedProcedureEvidenceSequence" not in dataset
    assert sr.measurement_report(plain) is None


def test_an_addendum_comes_with_what_it_adds_to(
    signed: ReportVersion, radiologist: Any, tmp_path: Path
) -> None:
    addendum = made.version(
        signed.report.study, radiologist, report=signed.report, kind=VersionKind.ADDENDUM
    )
    data = sr.basic_text_sr(addendum)
    assert complaints(data, tmp_path) == []
    text = dumped(data, tmp_path)
    assert "The nodule was there in 2023 as well." in text
    assert "Growing nodule" in text
    before = read(data).PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    first = read(sr.basic_text_sr(signed))
    assert before.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert before.SeriesInstanceUID == first.SeriesInstanceUID == read(data).SeriesInstanceUID


def test_a_withdrawal_says_so_and_nothing_else(
    signed: ReportVersion, radiologist: Any, tmp_path: Path
) -> None:
    withdrawal = made.version(
        signed.report.study,
        radiologist,
        report=signed.report,
        kind=VersionKind.WITHDRAWAL,
        sections={},
        reason="Wrong patient",
    )
    data = sr.basic_text_sr(withdrawal)
    assert complaints(data, tmp_path) == []
    text = dumped(data, tmp_path)
    assert "This report was withdrawn. Do not use it." in text
    assert "Growing nodule" not in text
    assert sr.measurement_report(withdrawal) is None


def test_measurements(signed: ReportVersion, stored: Stored, tmp_path: Path) -> None:
    data = sr.measurement_report(signed)
    assert data is not None
    assert complaints(data, tmp_path) == []
    text = dumped(data, tmp_path)
    assert "Imaging Measurement Report" in text
    assert '"12.34" (mm,UCUM,"mm")' in text
    assert "Nodule, right upper lobe" in text
    assert "1.5/2.5,9.5/12.5" in text, "where on the image it was measured"


def test_points_that_moved_since_are_not_in_it(signed: ReportVersion, tmp_path: Path) -> None:
    Measurement.objects.update(points=[[0, 0], [1, 1]], values=[{"name": "length", "value": 1.4}])
    data = sr.measurement_report(signed)
    assert data is not None
    assert complaints(data, tmp_path) == []
    text = dumped(data, tmp_path)
    assert '"12.34"' in text
    assert "SCOORD" not in text


def test_the_pdf_comes_out_byte_for_byte(signed: ReportVersion, tmp_path: Path) -> None:
    data = encapsulated.encapsulated_pdf(signed)
    assert complaints(data, tmp_path) == []
    path, out = tmp_path / "in.dcm", tmp_path / "out.pdf"
    path.write_bytes(data)
    subprocess.run(["dcm2pdf", path, out], check=True, timeout=60)
    assert out.read_bytes() == pdf.pdf(signed)


def test_they_are_in_the_study_once(signed: ReportVersion, stored: Stored) -> None:
    before = Study.objects.get(pk=stored.study_pk)
    Study.objects.filter(pk=before.pk).update(
        arrival=Arrival.COMPLETE, reading_state=ReadingState.FINAL
    )
    kept = keep.store_into_study(signed)
    assert [one.sop_instance_uid for one in kept] == [
        dicom.uid_of(signed, name) for name in ("basic-text", "measurements", "pdf")
    ]
    assert {one.source for one in kept} == {f"report:{signed.report_id}"}
    after = Study.objects.get(pk=stored.study_pk)
    assert after.number_of_instances == before.number_of_instances + 3
    assert (after.arrival, after.reading_state) == (Arrival.COMPLETE, ReadingState.FINAL)
    assert after.late_instances == 0
    assert not after.name_conflict
    Study.objects.filter(pk=before.pk).update(patient_name="Corrected^Since")
    again = keep.store_into_study(signed)
    assert [one.pk for one in again] == [one.pk for one in kept]
    assert Instance.objects.filter(series__study=before).count() == 4


def test_images_are_late_all_the_same(site: Any, stored: Stored) -> None:
    Study.objects.filter(pk=stored.study_pk).update(arrival=Arrival.QUIET)
    store(site, ct_file(study=stored.study, series=stored.series, number=2))
    after = Study.objects.get(pk=stored.study_pk)
    assert (after.late_instances, after.arrival) == (1, Arrival.RECEIVING)
