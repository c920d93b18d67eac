"""The upload desk's page, and what it is told before it sends."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import pytest
from django.urls import reverse

from pacs.audit.models import AuditEvent
from studies.models import QuarantinedFile
from studies.services import ingest
from tests.dicomweb.asking import ct_file

pytestmark = pytest.mark.django_db
PAGE, CHECK = "/upload/", "/api/upload/check/"
FILE = ct_file(instance="1.2.3.1", PatientBirthDate="19720304", PatientSex="F")
STUDY = "1.2.826.0.1.3680043.10.9.1"


def ask(client: Any, **body: Any) -> Any:
    return client.post(CHECK, {"site": "main", **body}, content_type="application/json")


@pytest.fixture
def stored(site: Any) -> None:
    ingest.store(BytesIO(FILE), source="orthanc:1", site=site)


def test_the_addresses() -> None:
    assert (reverse("upload"), reverse("upload-check")) == (PAGE, CHECK)


@pytest.mark.parametrize("actor", ["technician", "site_admin", "admin"])
def test_who_uploads_by_hand(request: Any, logged_in: Any, site: Any, actor: str) -> None:
    client = logged_in(request.getfixturevalue(actor))
    text = client.get(PAGE).content.decode()
    assert site.name in text
    assert AuditEvent.objects.filter(action="upload.opened").count() == 1
    assert ask(client).json() == {"arrived": [], "studies": []}
    assert AuditEvent.objects.get(action="upload.checked").site_id == site.pk


@pytest.mark.parametrize("actor", ["radiologist", "referrer", "stranger"])
def test_others_do_not_find_it(request: Any, logged_in: Any, site: Any, actor: str) -> None:
    client = logged_in(request.getfixturevalue(actor))
    assert client.get(PAGE).status_code == 404
    assert ask(client).status_code == 403
    assert PAGE not in client.get("/").content.decode()


def test_nobody(client: Any, db: None) -> None:
    assert client.get(PAGE, headers={"Accept": "text/html"}).status_code in {302, 401}
    assert ask(client).status_code == 401


def test_technicians_ask_their_own_site_only(
    logged_in: Any, django_user_model: Any, site: Any, other_site: Any, stored: None
) -> None:
    user = django_user_model.objects.create_user("north_technician")
    user.memberships.create(site=other_site, role="technician")
    client = logged_in(user)
    assert site.name not in client.get(PAGE).content.decode()
    assert ask(client, instances=["1.2.3.1"]).status_code == 404
    assert ask(client, site="none").status_code == 404
    here = ask(
        client,
        site=other_site.slug,
        instances=["1.2.3.1"],
        studies=[{"study_instance_uid": STUDY, "patient_id": "P-1"}],
    ).json()
    assert here["arrived"] == []
    assert here["studies"][0]["patients"] == []
    assert here["studies"][0]["images"] == 0


def test_what_arrived_is_told_by_its_bytes(
    logged_in: Any, technician: Any, site: Any, stored: None
) -> None:
    other = ct_file(instance="1.2.3.1", seed=5)
    ingest.store(BytesIO(other), source="upload:user:1", site=site)
    found = ask(logged_in(technician), instances=["1.2.3.1", "1.2.3.2"]).json()["arrived"]
    assert [(one["sha256"], one["outcome"]) for one in found] == [
        (hashlib.sha256(FILE).hexdigest(), "stored"),
        (hashlib.sha256(other).hexdigest(), "quarantined"),
    ]
    assert "same UID" in found[1]["words"]
    QuarantinedFile.objects.update(is_open=False)
    assert len(ask(logged_in(technician), instances=["1.2.3.1"]).json()["arrived"]) == 1


def test_where_studies_would_go(logged_in: Any, technician: Any, stored: None) -> None:
    asked = [
        {"study_instance_uid": STUDY, "patient_id": "P-1"},
        {"study_instance_uid": STUDY, "patient_id": "P-2"},
        {"study_instance_uid": "1.2.9", "patient_id": "P-1"},
        {"study_instance_uid": "1.2.9", "patient_id": ""},
    ]
    same, other, new, nobody = ask(logged_in(technician), studies=asked).json()["studies"]
    jane = {"name": "DOE^Jane", "birth_date": "19720304", "sex": "F"}
    assert (same["images"], same["other_patient"], same["patients"]) == (1, False, [jane])
    assert (other["images"], other["other_patient"], other["patients"]) == (1, True, [jane])
    assert (new["images"], new["other_patient"], new["patients"]) == (0, False, [jane])
    assert nobody["patients"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ["x"]},
        {"instances": ["1.2"] * 1001},
        {"instances": "1.2"},
        {"studies": [{"study_instance_uid": "1.2"}]},
        {"studies": [{"study_instance_uid": "1.2", "patient_id": ""}] * 201},
        {"site": "../main"},
    ],
)
def test_what_makes_no_sense_is_400(logged_in: Any, technician: Any, body: Any) -> None:
    assert ask(logged_in(technician), **body).status_code == 400
