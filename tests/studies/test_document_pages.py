"""Encapsulated PDFs as pictures of their pages: drawn right, harmless, for who sees the study."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pikepdf
import pytest
import weasyprint
from django.test import Client
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from pacs.audit.models import AuditEvent
from studies.models import StudyGrant
from tests.dicomweb.asking import Stored, ct_file, saved, store

pytestmark = pytest.mark.django_db
PAGES = """<style>@page { size: 200pt 100pt; margin: 0 } body { margin: 0 }
div { width: 100pt; height: 100pt } .second { break-before: page }</style>
<div style="background: black"></div><div class="second" style="background: #f00"></div>"""


def pdf_file(content: bytes, **elements: Any) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.PatientID, dataset.PatientName = "DOC", "P-1", "DOE^Jane"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20260102", "101112", "A-1"
    dataset.StudyID, dataset.InstanceNumber, dataset.SeriesNumber = "S1", 1, 8
    dataset.DocumentTitle, dataset.MIMETypeOfEncapsulatedDocument = "Consent", "application/pdf"
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return saved(dataset)


def two_pages() -> bytes:
    made: bytes = weasyprint.HTML(string=PAGES).write_pdf()
    return made


def address(stored: Stored, page: int = 0, width: int = 400) -> str:
    below = f"/studies/{stored.study_pk}/documents/{stored.instance}/"
    return f"{below}pages/{page}/?width={width}" if page else below


def pixels(client: Client, stored: Stored, page: int, **options: Any) -> Any:
    answer = client.get(address(stored, page, **options))
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "image/png"
    assert answer["Cache-Control"] == "no-store"
    return np.asarray(Image.open(BytesIO(answer.content)))


def test_the_pages_are_what_the_pdf_draws(logged_in: Any, radiologist: Any, site: Any) -> None:
    stored = store(site, pdf_file(two_pages()))
    client = logged_in(radiologist)
    assert client.get(address(stored)).json() == {"pages": [[200, 100], [200, 100]]}
    first = pixels(client, stored, 1)
    assert first.shape == (200, 400, 3)
    assert (first[:, :198] == 0).all()
    assert (first[:, 202:] == 255).all()
    second = pixels(client, stored, 2, width=200)
    assert (second[:, :98] == [255, 0, 0]).all()
    # Widths are bounded, and no page is larger than the decoder may make.
    assert pixels(client, stored, 1, width=1).shape[1] == 64
    assert pixels(client, stored, 1, width=99_999).shape[1] == 4096
    events = AuditEvent.objects.filter(action="study.document")
    assert [event.study_id for event in events] == [stored.study_pk]


def test_what_a_pdf_could_do_does_not_come_along(
    logged_in: Any, radiologist: Any, site: Any
) -> None:
    """Actions, scripts and attachments are left in the file: what is answered is a picture."""
    document = pikepdf.open(BytesIO(two_pages()))
    document.Root.OpenAction = pikepdf.Dictionary(
        S=pikepdf.Name.JavaScript, JS="app.alert('x'); this.submitForm('http://127.0.0.1:9/')"
    )
    document.attachments["a.html"] = b"<script>alert(1)</script>"
    out = BytesIO()
    document.save(out)
    stored = store(site, pdf_file(out.getvalue()))
    client = logged_in(radiologist)
    answer = client.get(address(stored, 1))
    assert answer.content.startswith(b"\x89PNG")
    assert b"script" not in answer.content
    assert (pixels(client, stored, 1)[:, :198] == 0).all()


def test_what_cannot_be_drawn_is_said(logged_in: Any, radiologist: Any, site: Any) -> None:
    client = logged_in(radiologist)
    locked = BytesIO()
    with pikepdf.open(BytesIO(two_pages())) as document:
        document.save(locked, encryption=pikepdf.Encryption(owner="o", user="u"))
    for content, words in (
        (locked.getvalue(), "protected by a password"),
        (b"%PDF-1.7\nnonsense", "damaged"),
        (b"<html><script>alert(1)</script>", "no PDF"),
    ):
        stored = store(site, pdf_file(content))
        answer = client.get(address(stored))
        assert answer.status_code == 422
        assert words in answer.json()["detail"]
        answer = client.get(address(stored, 1))
        assert (answer.status_code, answer["Content-Type"][:10]) == (422, "text/plain")
    stored = store(site, pdf_file(two_pages()))
    assert client.get(address(stored, 3)).status_code == 422
    # Nonsense is no width.
    assert client.get(address(stored, 1) + "x").status_code == 200


def test_who_sees_it(
    logged_in: Any, client: Client, site: Any, technician: Any, referrer: Any, stranger: Any
) -> None:
    stored = store(site, pdf_file(two_pages()))
    image = store(site, ct_file())
    for path in (address(stored), address(stored, 1)):
        assert client.get(path).status_code == 401
        assert logged_in(technician).get(path).status_code == 200
        assert logged_in(stranger).get(path).status_code == 404
        assert logged_in(referrer).get(path).status_code == 404
    StudyGrant.objects.create(study_id=stored.study_pk, user=referrer, granted_by=technician)
    assert logged_in(referrer).get(address(stored)).status_code == 200
    # Neither an image nor the document of another study is a document of this one.
    seen = logged_in(technician)
    assert seen.get(address(image)).status_code == 404
    other = f"/studies/{image.study_pk}/documents/{stored.instance}/"
    assert seen.get(other).status_code == 404
