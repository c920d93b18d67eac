"""Encapsulated PDFs as pictures of their pages (PS3.3 A.45.1). Runs in the child process only.

What a PDF could do, a picture cannot: scripts, forms, attachments and links stay behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final

import pypdfium2
from pydicom import dcmread
from pypdfium2 import PdfDocument, PdfiumError

from studies.dicom.pixels.decode import CannotDecode

MAX_PAGES: Final = 2_000
NARROWEST: Final = 64
WIDEST: Final = 4_096
MAX_PAGE_PIXELS: Final = 24_000_000
PNG_LEVEL: Final = 3
PASSWORD_ERROR: Final = pypdfium2.raw.FPDF_ERR_PASSWORD


def sizes(path: Path) -> list[list[int]]:
    """Width and height of each page in points. CannotDecode."""
    with _opened(path) as document:
        if not 1 <= len(document) <= MAX_PAGES:
            raise CannotDecode(f"it has no pages, or more than {MAX_PAGES}")
        return [
            [max(1, round(side)) for side in document.get_page_size(at)]
            for at in range(len(document))
        ]


def page(path: Path, number: int, width: int) -> bytes:
    """Page `number` (from 1) as PNG on white, `width` pixels wide. CannotDecode."""
    with _opened(path) as document:
        if not 1 <= number <= min(len(document), MAX_PAGES):
            raise CannotDecode("there is no such page")
        found = document[number - 1]
        across, down = found.get_size()
        if across <= 0 or down <= 0:
            raise CannotDecode("the page has no size")
        scale = min(max(width, NARROWEST), WIDEST) / across
        scale = min(scale, (MAX_PAGE_PIXELS / (across * down)) ** 0.5)
        image = found.render(scale=scale, may_draw_forms=False).to_pil()
    out = BytesIO()
    image.convert("RGB").save(out, "PNG", compress_level=PNG_LEVEL)
    return out.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[PdfDocument]:
    value = dcmread(path).get("EncapsulatedDocument")
    if not isinstance(value, bytes) or b"%PDF-" not in value[:1024]:
        raise CannotDecode("there is no PDF in this object")
    try:
        document = PdfDocument(value)
    except PdfiumError as error:
        is_locked = getattr(error, "err_code", None) == PASSWORD_ERROR
        words = "the PDF is protected by a password" if is_locked else "the PDF is damaged"
        raise CannotDecode(words) from None
    try:
        yield document
    except PdfiumError:
        raise CannotDecode("the page is damaged") from None
    finally:
        document.close()
