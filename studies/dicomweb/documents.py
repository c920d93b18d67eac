"""Documents as rendered resources (PS3.18 8.7.4): encapsulated PDF, and structured reports as HTML
or plain text."""

from __future__ import annotations

from typing import Final

from studies.dicom.pixels.client import PixelError, PixelTimeout
from studies.dicom.structured.classes import is_report
from studies.dicomweb import caching, encapsulated
from studies.dicomweb.errors import BusyError, DicomWebError, NotAcceptableError, NotFoundError
from studies.dicomweb.exchange import NO_STORE, Exchange, Header
from studies.dicomweb.instances import Location, header_path
from studies.dicomweb.parts import Parts
from studies.dicomweb.picture_forms import PDF, PDFS, REPORTS, picture_form
from studies.dicomweb.pictures import NOT_SHOWN
from studies.dicomweb.pool import Pool
from studies.services.pixels import pixel_service

MAX_REPORT_BYTES: Final = 16 << 20
FORBIDDING: Header = (
    b"content-security-policy",
    b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
)
"""A report's page needs nothing, so nothing is allowed: what a hostile one smuggled in is dead."""


class Documents:
    """What is shown as a text and not as a picture."""

    def __init__(self, quick: Pool, slow: Pool) -> None:
        self._quick = quick
        self._slow = slow

    async def send(self, exchange: Exchange, location: Location, accept: str) -> None:
        """A document in the first form that suits. NotFoundError for what is none."""
        form = picture_form(accept, offered(location), False)
        if form.media_type == PDF:
            body = await self._quick.run(encapsulated.pdf, location.archive_key)
            etag = f'W/"{location.etag}-pdf-{form.multipart:d}"'
            headers = [(b"etag", etag.encode()), caching.pixels(exchange)]
            kind = PDF
        else:
            root = exchange.path.partition("/studies/")[0].removesuffix("/wado")
            if not root.startswith("/dicom-web"):
                root = "/dicom-web"
            body = await self._slow.run(_report, location, form.media_type, root)
            headers = [NO_STORE, FORBIDDING]
            kind = f"{form.media_type}; charset=utf-8"
        if form.multipart:
            parts = Parts(form.media_type)
            body = parts.head(kind.encode(), first=True) + body + parts.tail
            kind = parts.header[1].decode()
        headers += [(b"content-type", kind.encode()), caching.VARY]
        await exchange.answer(200, headers, body)


def offered(location: Location) -> tuple[str, ...]:
    """The media types of a document, its default first. NotFoundError for what is none."""
    if location.sop_class_uid == encapsulated.ENCAPSULATED_PDF:
        return PDFS
    if is_report(location.sop_class_uid):
        return REPORTS
    raise NotFoundError(NOT_SHOWN)


def _report(location: Location, media_type: str, root: str) -> bytes:
    path = header_path(location)
    if path.stat().st_size > MAX_REPORT_BYTES:
        raise NotAcceptableError("The report is larger than can be shown as a page.")
    try:
        return pixel_service().report(path, media_type, root)
    except PixelError as error:
        raise _refusal(error) from None


def _refusal(error: PixelError) -> DicomWebError:
    if isinstance(error, PixelTimeout):
        return BusyError("Making this page takes too long now. Try again.")
    return NotAcceptableError(f"The report cannot be shown: {error}.")
