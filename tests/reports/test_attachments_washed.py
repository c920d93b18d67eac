"""Uploaded pictures are made anew; of PDFs nothing that acts or carries files is handed out."""

from __future__ import annotations

import hashlib
import struct
import zlib
from io import BytesIO
from typing import Any

import pikepdf
import pytest
from PIL import Image, PngImagePlugin

from reports.attachments import clean, content, washing
from reports.attachments.models import Attachment
from studies import archive
from studies.backup import enrolment
from studies.dicom.payload import Payload
from tests.reports.factories_find import PDF, pdf
from tests.reports.test_attachments import post

SECRET = b"GPS-OF-THE-CAMERA"


def photo(size: tuple[int, int] = (60, 40), orientation: int = 6, kind: str = "JPEG") -> bytes:
    """A photo of the left half red, with EXIF, a comment and something behind its end."""
    image = Image.new("RGB", size, (0, 0, 200))
    image.paste((200, 0, 0), (0, 0, size[0] // 2, size[1]))
    out = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    if kind == "JPEG":
        image.save(out, kind, exif=exif, comment=SECRET, quality=95)
    else:
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", SECRET.decode())
        image.save(out, kind, exif=exif, pnginfo=text)
    return out.getvalue() + b"<script>" + SECRET + b"</script>" + out.getvalue()[-12:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_is_its_pixels_and_nothing_else(kind: str) -> None:
    data = photo(kind=kind)
    made, media_type = clean.picture(data)
    assert media_type == f"image/{kind.lower()}"
    assert SECRET in data
    assert SECRET not in made
    assert b"script" not in made
    with Image.open(BytesIO(made)) as image:
        assert not image.getexif()
        assert not {"comment", "Comment", "icc_profile", "exif"} & set(image.info)
        # Upright, as it was shown: the left half is above now.
        assert image.size == (40, 60)
        above, below = image.getpixel((20, 10)), image.getpixel((20, 50))
    assert above[0] > 180 > 20 > above[2]
    assert below[2] > 180 > 20 > below[0]


def test_large_pictures_are_made_smaller() -> None:
    out = BytesIO()
    Image.new("1", (9000, 100), 1).save(out, "PNG")
    with Image.open(BytesIO(clean.picture(out.getvalue())[0])) as image:
        assert max(image.size) == 8000


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_every_kind_of_picture(mode: str) -> None:
    out = BytesIO()
    kind = "JPEG" if mode == "CMYK" else "PNG"
    Image.new(mode, (30, 20)).save(out, kind)
    made, _ = clean.picture(out.getvalue())
    with Image.open(BytesIO(made)) as image:
        assert image.size == (30, 20)


def zeros(megabytes: int) -> bytes:
    """A zlib stream of so many megabytes of zeros, made in no time (RFC 1950, 1951)."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflater.compress(b"\0" * 2**20) + deflater.flush(zlib.Z_FULL_FLUSH)
    adler = (megabytes * 2**20 % 65521) << 16 | 1
    return b"\x78\xda" + block * megabytes + b"\x03\x00" + struct.pack(">I", adler)


def _png(width: int, height: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in parts)


def test_bombs_are_refused() -> None:
    # More pixels than are looked at: refused by the header alone.
    with pytest.raises(content.NotTaken, match="100 megapixels"):
        content.media_type(_png(60_000, 60_000, b"\0"))
    # A profile of three megabytes that inflates to three gigabytes.
    bomb = zeros(3000)
    try:
        made, _ = clean.picture(_png(2, 2, b"\0" * 14, (b"iCCP", b"x\0\0" + bomb)))
        assert len(made) < 1000
    except content.NotTaken:
        pass
    # Fewer rows than are promised.
    with pytest.raises(content.NotTaken):
        clean.picture(_png(5000, 5000, b"\0"))


def test_what_becomes_too_large_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(washing, "MOST_BYTES", 100)
    with pytest.raises(washing.Refused, match="Save it as JPEG"):
        washing.picture(photo(kind="PNG"))


JS = b"<</S/JavaScript/JS(app.alert\\(1\\))>>"
FILE = b"<</Type/Filespec/F(a.exe)/EF<</F 5 0 R>>>>"
EVIL = {
    "opened": (pdf(catalog=b"/OpenAction" + JS), "JavaScript"),
    "named": (pdf(catalog=b"/Names<</JavaScript<</Names[(a)" + JS + b"]>>>>"), "JavaScript"),
    "pages": (pdf().replace(b"/MediaBox", b"/AA<</O" + JS + b">>/MediaBox"), "JavaScript"),
    "launch": (pdf(catalog=b"/OpenAction<</S/Launch/F(calc.exe)>>"), "calc.exe"),
    "chained": (
        pdf(catalog=b"/OpenAction<</S/GoTo/D[3 0 R/Fit]/Next[<</S/Launch/F(calc.exe)>>]>>"),
        "calc.exe",
    ),
    "indirect": (
        pdf(b"<</S/Launch/F(calc.exe)>>", catalog=b"/OpenAction 4 0 R"),
        "calc.exe",
    ),
    "link": (
        pdf().replace(
            b"/MediaBox",
            b"/Annots[<</Subtype/Link/Rect[0 0 9 9]/A<</S/SubmitForm/F(evil)>>>>]/MediaBox",
        ),
        "SubmitForm",
    ),
    "embedded": (
        pdf(
            FILE,
            b"<</Type/EmbeddedFile/Length 8>>stream\nMZ-EVIL!\nendstream",
            catalog=b"/Names<</EmbeddedFiles<</Names[(a) 4 0 R]>>>>",
        ),
        "MZ-EVIL!",
    ),
    "attached": (
        pdf(
            FILE,
            b"<</Type/EmbeddedFile/Length 8>>stream\nMZ-EVIL!\nendstream",
        ).replace(
            b"/MediaBox",
            b"/Annots[<</Subtype/FileAttachment/Rect[0 0 9 9]/FS 4 0 R>>]/MediaBox",
        ),
        "MZ-EVIL!",
    ),
    "xfa": (pdf(catalog=b"/AcroForm<</Fields[]/XFA(evil-form)>>"), "evil-form"),
}


@pytest.mark.parametrize("name", list(EVIL))
def test_what_acts_or_carries_files_is_not_handed_out(name: str) -> None:
    data, mark = EVIL[name]
    assert mark.encode() in data
    made, removed = clean.pdf(data)
    assert removed
    with pikepdf.open(BytesIO(made)) as document:
        assert len(document.pages) == 1
        everything = b"".join(
            each.unparse(resolved=True) if not isinstance(each, pikepdf.Stream)
            else each.read_bytes()
            for each in document.objects
        )  # fmt: skip
    assert mark.encode() not in everything
    # What is clean already stays as it is.
    assert clean.pdf(made) == (made, [])


def test_a_harmless_pdf_is_handed_out_byte_for_byte() -> None:
    assert clean.pdf(PDF) == (PDF, [])


def test_pdfs_that_cannot_be_read_are_refused_in_words() -> None:
    out = BytesIO()
    with pikepdf.open(BytesIO(PDF)) as document:
        document.save(out, encryption=pikepdf.Encryption(owner="o", user="u"))
    with pytest.raises(content.NotTaken, match="password"):
        clean.pdf(out.getvalue())
    with pytest.raises(content.NotTaken, match=r"damaged|no pages"):
        clean.pdf(b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\nstartxref\n9\n%%EOF\n")
    # An object stream of gigabytes ends the process that looks, not the portal.
    bomb = zeros(3000)
    head = b"<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>" % len(bomb)
    hostile = pdf(head + b"stream\n" + bomb + b"\nendstream")
    try:
        clean.pdf(hostile)
    except content.NotTaken as error:
        assert error.words  # noqa: PT017


@pytest.mark.django_db
def test_pictures_are_kept_anew_and_once(logged_in: Any, study: Any, technician: Any) -> None:
    client, data = logged_in(technician), photo()
    first = post(client, study, data)
    assert first.status_code == 201, first.content
    assert post(client, study, data).json()["id"] == first.json()["id"]
    row = Attachment.objects.get()
    assert row.received_sha256 == hashlib.sha256(data).hexdigest()
    with archive.open_file(row.archive_key) as file:
        kept = file.read()
    assert SECRET not in kept
    assert hashlib.sha256(kept).hexdigest() == row.file_sha256
    assert client.get(f"/api/attachments/{row.pk}/").content == kept


@pytest.mark.django_db
def test_a_pdf_is_kept_as_it_came_and_handed_out_clean(
    logged_in: Any, study: Any, technician: Any
) -> None:
    client, (data, mark) = logged_in(technician), EVIL["embedded"]
    pk = post(client, study, data).json()["id"]
    with archive.open_file(Attachment.objects.get(pk=pk).archive_key) as file:
        assert file.read() == data
    for path in (f"/api/attachments/{pk}/", f"/attachments/{pk}/file/"):
        got = client.get(path)
        assert mark.encode() not in got.content
        assert got["X-Left-Out"] == "embedded files"
        assert got["Content-Disposition"].startswith("attachment;")


@pytest.mark.django_db
def test_what_cannot_be_checked_is_kept_and_not_handed_out(
    logged_in: Any, study: Any, technician: Any
) -> None:
    client = logged_in(technician)
    pk = post(client, study, PDF).json()["id"]
    key = enrolment.keep(Payload.from_bytes(b"%PDF-1.4 broken"), site_id=study.site_id)
    Attachment.objects.filter(pk=pk).update(archive_key=key)
    got = client.get(f"/api/attachments/{pk}/")
    assert got.status_code == 409
    assert "not handed out" in got.content.decode()
