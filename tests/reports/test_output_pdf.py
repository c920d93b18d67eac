"""The PDF of a version: what is on it and in it, made once, whatever is put into a report."""

from __future__ import annotations

import base64
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pikepdf
import pytest
from asn1crypto import pem, x509
from celery import Celery
from cryptography import x509 as certificates
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from PIL import Image
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from reports import document
from reports.delivery.tasks import warm_typesetter
from reports.errors import PermanentError, RetriableError
from reports.letterhead.models import Letterhead
from reports.models import ReportVersion, VersionKind
from reports.output import html, pdf, signature
from reports.output.models import RenderedPdf
from reports.output.typesetter import Typesetter, typesetter
from studies import archive
from tests.reports import factories_output as made

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def _typesetter() -> Iterator[None]:
    yield
    typesetter().close()


@pytest.fixture(autouse=True)
def _public(settings: Any) -> None:
    settings.PUBLIC_URL = "https://pacs.example.org"


@pytest.fixture
def signed(study: Any, radiologist: Any) -> ReportVersion:
    return made.version(
        study,
        radiologist,
        key_images=[made.key_image(study.site_id, made.png(size=256))],
        measurements=[made.measurement()],
    )


def text_of(data: bytes, *options: str) -> str:
    said = subprocess.run(
        ["pdftotext", *options, "-", "-"], input=data, capture_output=True, check=True, timeout=60
    )
    return said.stdout.decode()


def pages_of(data: bytes, folder: Path) -> list[Image.Image]:
    """Pages as a printer would show them."""
    (folder / "in.pdf").write_bytes(data)
    subprocess.run(
        ["pdftoppm", "-r", "60", "-png", "in.pdf", "page"], cwd=folder, check=True, timeout=60
    )
    return [Image.open(path).convert("RGB") for path in sorted(folder.glob("page*.png"))]


def opened(data: bytes) -> pikepdf.Pdf:
    return pikepdf.open(BytesIO(data))


def test_what_is_on_it(signed: ReportVersion) -> None:
    text = text_of(pdf.pdf(signed), "-layout")
    for said in (
        "Main Hospital",
        "DOE, Jane",
        "Final report",
        "2026-03-18 12:42 (Europe/Berlin)",
        "Growing nodule of the right upper lobe.",
        "Nodule, right upper lobe",
        "12.3 mm",
        "Image 1",
        "radiologist",
        signed.content_sha256,
        f"https://pacs.example.org/reports/verify/{signed.verification}/",
        "Page 1 / ",
    ):
        assert said in text, said


def test_it_is_pdf_a_3(signed: ReportVersion) -> None:
    """The claims of ISO 19005-3 that can be seen: metadata, output intent, embedded fonts,
    associated files, no script, no encryption."""
    file = opened(pdf.pdf(signed))
    metadata = file.Root.Metadata.read_bytes().decode()
    assert re.search(r"pdfaid:part[>=\"]+3", metadata)
    assert re.search(r"pdfaid:conformance[>=\"]+U", metadata)
    assert file.Root.OutputIntents[0].S == "/GTS_PDFA1"
    assert not file.is_encrypted
    assert "/OpenAction" not in file.Root
    fonts = [one for one in file.objects if isinstance(one, pikepdf.Dictionary)]
    described = [one for one in fonts if one.get("/Type") == "/FontDescriptor"]
    assert described
    assert all({"/FontFile2", "/FontFile3"} & set(one.keys()) for one in described)
    for each in (one for one in fonts if one.get("/Type") == "/Font"):
        assert each.get("/Subtype") != "/Type0" or "/ToUnicode" in each


def test_what_was_signed_is_inside_and_verifies(signed: ReportVersion, radiologist: Any) -> None:
    addendum = made.version(
        signed.report.study, radiologist, report=signed.report, kind=VersionKind.ADDENDUM
    )
    file = opened(pdf.pdf(addendum))
    files = {name: one.get_file().read_bytes() for name, one in file.attachments.items()}
    assert len(files) == 2
    for version in (signed, addendum):
        inside = files[f"report-{version.report_id}-version-{version.number}.json"]
        assert made.sha256(inside) == version.content_sha256
        assert inside == document.canonical(version.content)
    assert len(file.Root.AF) == 2
    assert {str(one.AFRelationship) for one in file.Root.AF} == {"/Source"}


def test_the_same_bytes_whoever_asks(signed: ReportVersion) -> None:
    first, _ = pdf.make(signed)
    assert pdf.make(signed)[0] == first
    assert pdf.pdf(signed) == first
    row = RenderedPdf.objects.get()
    assert (row.file_sha256, row.file_size) == (made.sha256(first), len(first))
    Letterhead.objects.create(site=signed.report.site, heading="New name")
    assert pdf.pdf(signed) == first, "kept, whatever changed since"
    assert RenderedPdf.objects.count() == 1


def test_one_that_was_lost_is_made_again(signed: ReportVersion) -> None:
    first = pdf.pdf(signed)
    archive.local_path(RenderedPdf.objects.get().archive_key).unlink()
    assert pdf.pdf(signed) == first
    assert archive.local_path(RenderedPdf.objects.get().archive_key).read_bytes() == first


def test_an_archive_that_is_away_is_no_reason_to_make_another(
    signed: ReportVersion, monkeypatch: Any
) -> None:
    pdf.pdf(signed)

    def away(key: str) -> Any:
        raise ConnectionError

    monkeypatch.setattr(archive, "open_file", away)
    with pytest.raises(RetriableError):
        pdf.pdf(signed)


def test_key_images_that_are_missing_or_changed_are_said(
    study: Any, radiologist: Any, tmp_path: Path
) -> None:
    gone = made.key_image(study.site_id, b"", archive_key="1/00/gone")
    other = made.key_image(study.site_id, made.png(seed=3, size=64), 2, sha256="0" * 64)
    version = made.version(study, radiologist, key_images=[gone, other])
    text = text_of(pdf.pdf(version))
    assert text.count("This key image cannot be shown.") == 2
    assert "Growing nodule" in text
    assert len(RenderedPdf.objects.get().problems) == 2


def test_pictures_are_on_the_page(study: Any, radiologist: Any, tmp_path: Path) -> None:
    red = BytesIO()
    Image.new("RGB", (800, 800), (255, 0, 0)).save(red, "PNG")
    version = made.version(
        study, radiologist, key_images=[made.key_image(study.site_id, red.getvalue())]
    )
    pages = pages_of(pdf.pdf(version), tmp_path)
    reds = sum(
        count
        for page in pages
        for count, colour in page.getcolors(1 << 20) or []
        if colour[0] > 240 and colour[1] < 20
    )
    assert reds > 5000


def test_addenda_and_withdrawal(signed: ReportVersion, radiologist: Any, tmp_path: Path) -> None:
    report = signed.report
    made.version(report.study, radiologist, report=report, kind=VersionKind.ADDENDUM)
    last = made.version(
        report.study,
        radiologist,
        report=report,
        kind=VersionKind.ADDENDUM,
        sections={"addendum": "<p>Second addendum.</p>"},
    )
    text = text_of(pdf.pdf(last))
    where = [text.index(said) for said in ("Growing nodule", "there in 2023", "Second addendum.")]
    assert where == sorted(where)
    assert "Addenda follow the report" in text
    withdrawal = made.version(
        report.study,
        radiologist,
        report=report,
        kind=VersionKind.WITHDRAWAL,
        sections={},
        reason="Wrong patient",
    )
    text = text_of(pdf.pdf(withdrawal))
    assert "This report was withdrawn. Do not use it." in text
    assert "Wrong patient" in text
    assert "Growing nodule" in text
    assert "withdrawn" not in text_of(pdf.pdf(last)).lower(), "what was signed stays what it was"
    marked, plain = (
        sum(
            count
            for page in pages_of(pdf.pdf(version), folder)
            for count, colour in page.getcolors(1 << 20) or []
            if colour[0] > 200 and colour[0] - colour[1] > 20
        )
        for version, folder in (
            (withdrawal, _folder(tmp_path, "withdrawn")),
            (last, _folder(tmp_path, "last")),
        )
    )
    assert marked > 3000, "WITHDRAWN lies across the page"
    assert plain == 0


def _folder(path: Path, name: str) -> Path:
    folder = path / name
    folder.mkdir()
    return folder


def test_preliminary(study: Any, radiologist: Any) -> None:
    version = made.version(study, radiologist, kind=VersionKind.PRELIMINARY)
    assert "The final report may differ." in text_of(pdf.pdf(version))


def test_a_final_report_shows_nothing_of_the_preliminary_one(study: Any, radiologist: Any) -> None:
    first = made.version(
        study,
        radiologist,
        kind=VersionKind.PRELIMINARY,
        sections={"impression": "<p>First thought</p>"},
    )
    final = made.version(study, radiologist, report=first.report)
    text = text_of(pdf.pdf(final))
    assert "First thought" not in text
    assert "Growing nodule" in text


def test_another_patient_then_is_said(signed: ReportVersion, radiologist: Any) -> None:
    study = signed.report.study
    study.patient_name = "Right^Name"
    study.save()
    addendum = made.version(study, radiologist, report=signed.report, kind=VersionKind.ADDENDUM)
    text = text_of(pdf.pdf(addendum))
    assert "Right, Name" in text
    assert "Signed for: DOE, Jane" in text


ARABIC = "عقدة متنامية في الفص العلوي الأيمن"
JAPANESE = "右上葉に結節を認めます"


def test_right_to_left_and_cjk(make_study: Any, site: Any, radiologist: Any) -> None:
    arabic = make_study(site, patient_name="الحسيني^عبد الرحمن")
    version = made.version(
        arabic,
        radiologist,
        language="ar",
        sections={"findings": f"<p>{ARABIC}</p>", "impression": "<p>12 mm</p>"},
    )
    page = html.page(version).markup
    assert 'dir="rtl"' in page
    data = pdf.pdf(version)
    text = text_of(data).replace("\u200f", "").replace("\u200e", "")
    assert "تقرير نهائي" in text
    for word in ("الحسيني", "متنامية"):
        assert word in text
    assert _fonts(data) >= {"Arabic"}
    japanese = make_study(site, patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう")
    data = pdf.pdf(
        made.version(
            japanese, radiologist, language="ja", sections={"findings": f"<p>{JAPANESE}</p>"}
        )
    )
    text = text_of(data)
    for said in (JAPANESE, "山田, 太郎", "最終報告"):
        assert said in text
    assert _fonts(data) >= {"CJK"}
    assert not RenderedPdf.objects.exclude(problems=[]).exists()


def _fonts(data: bytes) -> set[str]:
    """Scripts of the fonts inside."""
    names = " ".join(str(one) for one in re.findall(rb"/[A-Z]{6}\+([A-Za-z-]+)", _plain(data)))
    return {script for script in ("Arabic", "CJK") if script in names}


def _plain(data: bytes) -> bytes:
    out = BytesIO()
    opened(data).save(out, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    return out.getvalue()


def test_a_letter_without_a_font_is_said(study: Any, radiologist: Any) -> None:
    version = made.version(study, radiologist, sections={"findings": "<p>ok \U000f1234</p>"})
    text = text_of(pdf.pdf(version))
    assert "U+F1234" in text
    assert "The whole text is in the attached file." in " ".join(text.split())
    (problem,) = RenderedPdf.objects.get().problems
    assert "U+F1234" in problem


EVIL = "<script>alert(1)</script>\"'><img src='file:///etc/passwd' onerror=alert(1)>{{ 7|add:7 }}"


def test_markup_in_every_field(make_study: Any, site: Any, radiologist: Any) -> None:
    radiologist.first_name = EVIL[:100]
    radiologist.save()
    Letterhead.objects.create(
        site=site, heading=EVIL, address=EVIL, footer=EVIL, logo=b"<svg onload=x>"
    )
    study = make_study(
        site,
        patient_name=EVIL,
        patient_id=EVIL[:64],
        accession_number=EVIL[:64],
        study_description=EVIL,
        patient_birth_date="<i>",
        patient_sex="<u>",
        referring_physician_name=EVIL,
    )
    version = made.version(
        study,
        radiologist,
        title=EVIL,
        language="<b>",
        sections={
            "findings": f"<p onclick=x style='color:red'>{EVIL}<a href='javascript:x'>link</a></p>"
            "<style>@import url(file:///etc/passwd)</style><iframe src=/></iframe>"
            "<table><tr><td colspan=99999999>cell</td></tr></table>"
            "a\u202eb\u200bc",
        },
        key_images=[made.key_image(site.pk, made.png(size=32), caption=EVIL)],
        measurements=[made.measurement(label=EVIL, text=EVIL)],
    )
    page = html.page(version).markup
    assert "<script" not in page
    assert "<iframe" not in page
    assert "<style" not in page
    assert "onclick" not in page
    assert "javascript:" not in page
    assert not re.search(r"<img [^>]*(onerror|file:)", page)
    assert re.findall(r'<img src="([^"]*)"', page) == ["lightbox:picture-1.png", "lightbox:qr"]
    assert 'colspan="100"' in page
    assert "\u202e" not in page
    assert "abc" in page
    text = text_of(pdf.pdf(version))
    assert "root:" not in text
    assert "14" not in re.findall(r"\{\{.*?\}\}", text)
    on_screen = html.render(version)
    assert "<script>alert" not in on_screen
    assert not re.search(r"<img [^>]*(onerror|file:)", on_screen)


def test_long_names_and_words_stay_on_the_page(
    make_study: Any, site: Any, radiologist: Any, tmp_path: Path
) -> None:
    study = make_study(site, patient_name="A" * 60 + "^" + "B" * 60, study_description="D" * 300)
    version = made.version(
        study, radiologist, title="T" * 300, sections={"findings": f"<p>{'W' * 2000}</p>"}
    )
    for page in pages_of(pdf.pdf(version), tmp_path):
        edge = page.crop((page.width - 20, 0, page.width, page.height))
        assert edge.getcolors(1) == [(edge.width * edge.height, (255, 255, 255))]


def test_letterhead_and_paper(site: Any, study: Any, radiologist: Any, tmp_path: Path) -> None:
    logo = BytesIO()
    Image.new("RGB", (300, 100), (0, 160, 0)).save(logo, "PNG")
    Letterhead.objects.create(
        site=site,
        heading="Klinik für Radiologie",
        address="Straße 1\nBerlin",
        footer="Registered in Berlin",
        logo=logo.getvalue(),
        paper="letter",
    )
    data = pdf.pdf(made.version(study, radiologist))
    text = text_of(data)
    for said in ("Klinik für Radiologie", "Straße 1", "Registered in Berlin"):
        assert said in text
    file = opened(data)
    assert [round(float(edge)) for edge in file.pages[0].MediaBox] == [0, 0, 612, 792]
    greens = sum(
        count
        for count, colour in pages_of(data, tmp_path)[0].getcolors(1 << 20) or []
        if colour[1] > 140 and colour[0] < 40
    )
    assert greens > 1000


def test_the_typesetter_fetches_nothing_from_elsewhere() -> None:
    page = (
        '<img src="file:///etc/hostname"><img src="http://127.0.0.1:9/x.png">'
        '<img src="lightbox:other.png"><img src="../../etc/hostname">'
        '<link rel="attachment" href="file:///etc/hostname"><p>text</p>'
        '<link rel="stylesheet" href="file:///etc/hostname">'
        '<object data="file:///etc/hostname"></object>'
    )
    data = typesetter().pdf(
        page,
        "@import url(file:///etc/hostname); @font-face {font-family: x; src: url(file:///x)}",
        {},
        [],
        identifier="00",
        moment="2026-01-01T00:00:00+00:00",
    )
    file = opened(data)
    assert not file.attachments
    assert not [
        one
        for one in file.objects
        if isinstance(one, pikepdf.Stream) and one.get("/Subtype") == "/Image"
    ]


def test_a_typesetter_that_hangs_or_dies_is_replaced() -> None:
    made_of = Typesetter(timeout=0.0001)
    with pytest.raises(RetriableError):
        made_of.missing_letters("a")
    made_of.timeout = 60
    assert made_of.missing_letters("a\U000f1234") == ["\U000f1234"]
    child = made_of._child
    assert child is not None
    child.kill()
    child.wait()
    assert made_of.missing_letters("a") == []
    with pytest.raises(PermanentError):
        made_of.pdf("", "", {}, [], identifier="no number", moment="2026-01-01T00:00:00+00:00")
    assert made_of.missing_letters("a") == []
    made_of.close()


def test_it_is_ready_when_somebody_has_begun_to_write(
    study: Any, radiologist: Any, logged_in: Any
) -> None:
    typesetter().close()
    answer = logged_in(radiologist).post(f"/api/studies/{study.pk}/report/")
    assert answer.status_code == 200
    deadline = time.monotonic() + 30
    while not typesetter().is_running:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_is_ready_where_reports_are_read_and_delivered(
    signed: ReportVersion, radiologist: Any, logged_in: Any
) -> None:
    """By opening a report's page, and with the start of a worker that delivers, and of no other."""

    def ready() -> bool:
        deadline = time.monotonic() + 30
        while not typesetter().is_running and time.monotonic() < deadline:
            time.sleep(0.05)
        return typesetter().is_running

    typesetter().close()
    assert logged_in(radiologist).get(f"/reports/{signed.report_id}/").status_code == 200
    assert ready()
    for queues, wanted in (("ingest,render", False), ("render,deliver", True)):
        typesetter().close()
        app = Celery(set_as_current=False)
        app.amqp.queues.select(queues.split(","))
        warm_typesetter(sender=SimpleNamespace(app=app))
        assert ready() if wanted else not typesetter().is_running


def test_threads_take_turns() -> None:
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(typesetter().missing_letters("x\U000f0000")))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["\U000f0000"]] * 6


# The hospital's signature


@pytest.fixture(scope="module")
def authority() -> tuple[bytes, bytes]:
    """A certificate of our own: PKCS #12 with the password "secret", and as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = certificates.Name([certificates.NameAttribute(NameOID.COMMON_NAME, "Main Hospital")])
    now = datetime.now(UTC)
    certificate = (
        certificates.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(certificates.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(
            certificates.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    packed = pkcs12.serialize_key_and_certificates(
        b"reports",
        key,
        certificate,
        None,
        serialization.BestAvailableEncryption(b"secret"),
    )
    return packed, certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def certificate(authority: tuple[bytes, bytes], tmp_path: Path, settings: Any) -> bytes:
    path = tmp_path / "reports.p12"
    path.write_bytes(authority[0])
    settings.REPORT_SIGNING_P12, settings.REPORT_SIGNING_PASSWORD = str(path), "secret"
    return authority[1]


def verdict(data: bytes, certificate: bytes) -> Any:
    _, _, der = pem.unarmor(certificate)
    context = ValidationContext(trust_roots=[x509.Certificate.load(der)])
    (embedded,) = PdfFileReader(BytesIO(data)).embedded_signatures
    return validate_pdf_signature(embedded, context)


def test_signed_with_the_hospitals_certificate(signed: ReportVersion, certificate: bytes) -> None:
    unsigned, _ = pdf.make(signed)
    data = pdf.pdf(signed)
    assert data.startswith(unsigned), "what was typeset is inside as it was"
    status = verdict(data, certificate)
    assert status.intact
    assert status.valid
    assert status.trusted
    assert status.bottom_line
    assert RenderedPdf.objects.get().is_signed
    assert pdf.pdf(signed) == data, "signed once"
    assert "Growing nodule" in text_of(data)
    assert re.search(r"pdfaid:part[>=\"]+3", opened(data).Root.Metadata.read_bytes().decode())


def test_a_change_breaks_the_signature(signed: ReportVersion, certificate: bytes) -> None:
    data = pdf.pdf(signed)
    at = data.index(b"/Author") + 9
    changed = data[:at] + b"X" + data[at + 1 :]
    assert not verdict(changed, certificate).intact


def test_without_the_certificate_that_is_configured_there_is_no_pdf(
    signed: ReportVersion, certificate: bytes, settings: Any
) -> None:
    assert signature.check() == ""
    settings.REPORT_SIGNING_PASSWORD = "wrong"
    assert "cannot be read" in signature.check()
    with pytest.raises(signature.CertificateError):
        pdf.pdf(signed)
    settings.REPORT_SIGNING_P12 = "/nowhere.p12"
    with pytest.raises(signature.CertificateError):
        pdf.pdf(signed)
    assert not RenderedPdf.objects.exists()
    settings.REPORT_SIGNING_P12 = ""
    assert pdf.pdf(signed)


def test_inline_pictures_on_the_screen(signed: ReportVersion) -> None:
    page = html.render(signed)
    sources = re.findall(r'<img src="([^"]*)"', page)
    assert sources[0] == f"/reports/versions/{signed.pk}/pictures/" + (
        f"{signed.content['key_images'][0]['sha256']}.png"
    )
    assert sources[1].startswith("data:image/svg+xml,")
    assert base64.b64encode(b"secret").decode() not in page
