"""Measurements and key images as DICOM objects in their study, by programs we did not write."""

from __future__ import annotations

import uuid
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from django.test import Client

from studies import archive
from studies.annotations.models import KeyImage, Measurement
from studies.models import Instance, Study
from tests.dicomweb.asking import ct_file, store
from tests.reports.test_output_dicom import complaints, dumped
from tests.studies.test_annotations import EACH_TOOL

pytestmark = pytest.mark.django_db
SR, KO = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.59"


@pytest.fixture
def marked(site: Any, radiologist: Any) -> Study:
    """A study with one measurement of each tool and a key image."""
    stored = store(site, ct_file(size=64))
    place = {
        "study_id": stored.study_pk,
        "series_instance_uid": stored.series,
        "sop_instance_uid": stored.instance,
        "author": radiologist,
    }
    for tool, (points, values) in EACH_TOOL.items():
        Measurement.objects.create(**place, tool=tool, points=points, values=values, label=tool)
    KeyImage.objects.create(**place, caption="Nodule")
    return Study.objects.get(pk=stored.study_pk)


def made(study: Study, sop_class_uid: str) -> list[bytes]:
    found = Instance.objects.filter(series__study=study, sop_class_uid=sop_class_uid)
    files = []
    for each in found.order_by("id"):
        with archive.open_file(each.archive_key) as file:
            files.append(file.read())
    return files


def ask(client: Client, study: Study) -> Any:
    return client.post(f"/api/studies/{study.pk}/annotations/store/", {}, "application/json")


def test_as_sr_and_ko(logged_in: Any, radiologist: Any, marked: Study, tmp_path: Path) -> None:
    client = logged_in(radiologist)
    assert ask(client, marked).json() == {"objects": ["measurements", "key-images"]}
    (report,), (selection,) = made(marked, SR), made(marked, KO)
    assert complaints(report, tmp_path) == []
    assert complaints(selection, tmp_path) == []
    text = dumped(report, tmp_path)
    for wanted in (
        '"90.0" (deg,UCUM',
        '"40.5" ([hnsf\'U],UCUM',
        '"Standard Deviation"',
        "POINT",
        "ELLIPSE",
        '"-12.0" ([hnsf\'U],UCUM',
    ):
        assert wanted in text, text
    assert "calibration" not in text
    dataset = pydicom.dcmread(BytesIO(selection))
    (of_study,) = dataset.CurrentRequestedProcedureEvidenceSequence
    assert of_study.StudyInstanceUID == marked.study_instance_uid
    assert dataset.PatientID == marked.patient_id
    assert "Nodule" in str(dataset)

    # The same again is the same object; what has changed is another.
    assert ask(client, marked).status_code == 200
    assert (len(made(marked, SR)), len(made(marked, KO))) == (1, 1)
    Measurement.objects.filter(tool="angle").update(label="Hip")
    assert ask(client, marked).status_code == 200
    assert (len(made(marked, SR)), len(made(marked, KO))) == (2, 1)


def test_who_may(
    logged_in: Any, radiologist: Any, technician: Any, stranger: Any, marked: Study
) -> None:
    for user, status in ((technician, 403), (stranger, 404)):
        assert ask(logged_in(user), marked).status_code == status
    assert ask(Client(), marked).status_code == 401
    assert made(marked, SR) == []
    Measurement.objects.all().delete()
    KeyImage.objects.all().delete()
    assert ask(logged_in(radiologist), marked).status_code == 400


def test_nothing_of_an_image_that_is_gone(logged_in: Any, radiologist: Any, marked: Study) -> None:
    Measurement.objects.update(sop_instance_uid=f"2.25.{uuid.uuid4().int}")
    assert ask(logged_in(radiologist), marked).json() == {"objects": ["key-images"]}
