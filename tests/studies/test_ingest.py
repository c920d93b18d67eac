"""The one door: stored, no-op, quarantined; one site never touches another's."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies import archive, documents
from studies.models import Arrival, Instance, QuarantinedFile, Series, Study
from studies.services import ingest
from studies.services.pixels import pixel_service

pytestmark = pytest.mark.django_db


def sample(name: str = "CT_small.dcm") -> bytes:
    return Path(get_testdata_file(name)).read_bytes()


def changed(data: bytes, syntax: str | None = None, **values: object) -> bytes:
    dataset = dcmread(BytesIO(data))
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    if "SOPInstanceUID" in values:
        dataset.file_meta.MediaStorageSOPInstanceUID = values["SOPInstanceUID"]
    if syntax:
        dataset.file_meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    dataset.save_as(
        buffer,
        implicit_vr=syntax == ImplicitVRLittleEndian if syntax else None,
        little_endian=True if syntax else None,
    )
    return buffer.getvalue()


def store(data: bytes, site):
    return ingest.store(BytesIO(data), source="test", site=site)


def test_stored_once_with_its_bytes(site):
    data = sample()
    result = store(data, site)
    assert result.outcome == "stored"
    instance = Instance.objects.get()
    assert archive.local_path(instance.archive_key).read_bytes() == data
    assert instance.file_sha256 == hashlib.sha256(data).hexdigest()
    study = Study.objects.get()
    assert (study.patient_id, study.modalities, study.number_of_instances) == ("1CT1", "CT", 1)
    assert study.arrival == Arrival.RECEIVING
    body = documents.get_many(site.pk, [instance.sop_instance_uid])[instance.sop_instance_uid]
    assert body["00100020"]["Value"] == ["1CT1"]
    assert AuditEvent.objects.filter(action="instances.received", study_id=study.pk).count() == 1
    assert SiteEvent.objects.get(site_id=site.pk).type == "study.received"


def test_again_is_a_no_op(site):
    store(sample(), site)
    assert store(sample(), site).outcome == "duplicate"
    assert Instance.objects.count() == 1
    assert SiteEvent.objects.count() == 1


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_another_encoding_of_the_same_image_is_a_no_op(site, syntax):
    store(sample(), site)
    assert store(changed(sample(), syntax), site).outcome == "duplicate"
    assert QuarantinedFile.objects.count() == 0


def test_lossless_recompression_is_a_no_op_by_decoded_pixels(site):
    store(sample("MR_small.dcm"), site)
    recoded = sample("MR_small_jpeg_ls_lossless.dcm")
    assert store(recoded, site).outcome in {"duplicate", "quarantined"}
    assert Instance.objects.count() == 1


def test_a_comparison_that_takes_too_long_is_said_and_may_be_retried(site, monkeypatch):
    store(sample("MR_small.dcm"), site)
    dataset = dcmread(BytesIO(sample("MR_small.dcm")))
    dataset.compress(RLELossless, generate_instance_uid=False)
    recoded = BytesIO()
    dataset.save_as(recoded)
    with monkeypatch.context() as hurried:
        hurried.setattr(pixel_service(), "timeout", 0.0)
        result = store(recoded.getvalue(), site)
    assert (result.outcome, result.reason) == ("quarantined", "not-compared")
    assert "in time" in QuarantinedFile.objects.get().words
    assert store(recoded.getvalue(), site).outcome == "duplicate"


def test_other_content_under_the_same_uid_is_quarantined_and_kept(site):
    store(sample(), site)
    dataset = dcmread(BytesIO(sample()))
    other = changed(sample(), PixelData=bytes(len(dataset.PixelData)))
    result = store(other, site)
    assert (result.outcome, result.reason) == ("quarantined", "conflicting-content")
    kept = QuarantinedFile.objects.get()
    assert archive.local_path(kept.archive_key).read_bytes() == other
    assert Instance.objects.get().file_sha256 == hashlib.sha256(sample()).hexdigest()
    store(other, site)
    assert QuarantinedFile.objects.get().times_received == 2


def test_another_patient_id_within_a_study_is_quarantined(site):
    store(sample(), site)
    other = changed(sample(), PatientID="SOMEBODY-ELSE", SOPInstanceUID=generate_uid())
    assert store(other, site).reason == "other-patient"
    assert Study.objects.get().number_of_instances == 1


def test_another_name_for_the_same_id_is_flagged_and_not_merged(site):
    store(sample(), site)
    other = changed(
        sample(),
        PatientName="Other^Name",
        StudyInstanceUID=generate_uid(),
        SOPInstanceUID=generate_uid(),
        SeriesInstanceUID=generate_uid(),
    )
    assert store(other, site).outcome == "stored"
    assert sorted(Study.objects.values_list("name_conflict", flat=True)) == [False, True]


def test_the_same_uids_at_two_sites_are_two_studies(site, other_site):
    dataset = dcmread(BytesIO(sample()))
    other = changed(sample(), PixelData=bytes(len(dataset.PixelData)), PatientID="X")
    assert store(sample(), site).outcome == "stored"
    assert store(other, other_site).outcome == "stored"
    assert store(sample(), site).outcome == "duplicate"
    assert {s.site_id for s in Study.objects.all()} == {site.pk, other_site.pk}
    ours, theirs = (Instance.objects.get(site=s) for s in (site, other_site))
    assert ours.archive_key.split("/")[0] != theirs.archive_key.split("/")[0]
    assert Series.objects.count() == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is no image", "not-dicom"),
        (b"\0" * 128 + b"DICM" + b"\0" * 10_000_000, None),
    ],
)
def test_what_is_no_image_is_quarantined(site, data, reason):
    result = store(data, site)
    assert result.outcome == "quarantined"
    assert reason in (None, result.reason)
    assert archive.local_path(QuarantinedFile.objects.get().archive_key).read_bytes() == data


def test_patients_without_an_id_are_never_one(site):
    first = changed(sample(), PatientID="")
    second = changed(
        sample(),
        PatientID="",
        StudyInstanceUID=generate_uid(),
        SOPInstanceUID=generate_uid(),
        SeriesInstanceUID=generate_uid(),
    )
    store(first, site)
    store(second, site)
    assert len({s.patient_ref_id for s in Study.objects.all()}) == 2


def test_late_images_are_counted(site):
    result = store(sample(), site)
    Study.objects.filter(pk=result.study_id).update(arrival=Arrival.QUIET)
    store(changed(sample(), SOPInstanceUID=generate_uid()), site)
    study = Study.objects.get()
    assert (study.late_instances, study.number_of_instances) == (1, 2)


def test_series_cache_follows_every_instance(site):
    store(sample(), site)
    assert documents.series_json(Series.objects.get()).count(b'"00080018"') == 1
    store(changed(sample(), SOPInstanceUID=generate_uid()), site)
    assert documents.series_json(Series.objects.get()).count(b'"00080018"') == 2
