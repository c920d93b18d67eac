"""The PDF of a signed version: PDF/A-3 (ISO 19005-3), made once and kept.

What was signed is inside, as associated file (ISO 32000-2 14.13): the SHA-256 of its bytes is the
content hash that is printed and that the verification page names.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from functools import lru_cache
from pathlib import Path

import structlog
from django.db import IntegrityError, transaction
from django.utils.html import strip_tags

from reports import document
from reports.errors import PermanentError, RetriableError
from reports.letterhead.models import Letterhead
from reports.models import Report, ReportVersion
from reports.output import html, shown, signature
from reports.output.models import RenderedPdf
from reports.output.typesetter import typesetter
from studies import archive
from studies.backup import enrolment
from studies.dicom.payload import Payload

log = structlog.get_logger(__name__)
STYLE = Path(__file__).with_name("document.css")
MOST_NAMED = 20


def pdf(version: ReportVersion) -> bytes:
    """The PDF of a version; the same bytes whenever it is asked for.

    Call it outside of transactions: where it is not made yet, that takes a moment, in a process
    of its own. What is missing (a key image, a font) is said in it and in `problems` of its row.
    PermanentError where the server cannot make PDFs, RetriableError where it may later.
    """
    return _obtained(version)[1]


def stored(version: ReportVersion) -> RenderedPdf:
    """The row of a version's PDF, made where it has not been. Raises as `pdf` does."""
    return _obtained(version)[0]


def _obtained(version: ReportVersion) -> tuple[RenderedPdf, bytes]:
    row = RenderedPdf.objects.filter(version=version).first()
    if row is not None:
        kept = _kept(row)
        if kept is not None:
            return row, kept
        log.error("a PDF was lost from the archive and is made again", version=version.pk)
    made, problems = make(version)
    is_signed = signature.is_configured()
    if is_signed:
        site = str((version.content.get("site") or {}).get("name") or "")
        made = signature.signed(made, reason=f"Report {version.report_id}", place=site)
    payload = Payload.from_bytes(made)
    key = enrolment.keep(payload, site_id=version.report.site_id)
    fields = {
        "archive_key": key,
        "file_sha256": payload.sha256,
        "file_size": len(made),
        "problems": problems,
        "is_signed": is_signed,
    }
    if row is not None:
        RenderedPdf.objects.filter(pk=row.pk).update(**fields)
        row.refresh_from_db()
        return row, made
    try:
        with transaction.atomic():
            return RenderedPdf.objects.create(version=version, **fields), made
    except IntegrityError:  # somebody else was quicker: theirs is the one
        row = RenderedPdf.objects.get(version=version)
        return row, made if row.file_sha256 == payload.sha256 else _kept(row) or made


def _kept(row: RenderedPdf) -> bytes | None:
    """The bytes, or None where the archive does not have them (any more)."""
    try:
        with archive.open_file(row.archive_key) as file:
            found = file.read()
    except FileNotFoundError:
        return None
    except Exception as error:  # each storage has its own
        raise RetriableError("The archive cannot be reached.", code="archive") from error
    return found if hashlib.sha256(found).hexdigest() == row.file_sha256 else None


def preview(report: Report) -> bytes:
    """The draft as PDF, kept nowhere. Raises as `pdf` does."""
    return _unsigned(html.page(report))


def sample(letterhead: Letterhead) -> bytes:
    """A PDF that shows a letterhead. Raises as `pdf` does."""
    return _unsigned(html.sample(letterhead))


def warm() -> None:
    """Have this process's typesetter ready, in a thread: a PDF will soon be asked for."""
    if not typesetter().is_running:
        threading.Thread(target=_warm, name="typesetter-warm", daemon=True).start()


def _warm() -> None:
    with contextlib.suppress(PermanentError, RetriableError):  # told when a PDF is asked for
        typesetter().missing_letters("A")
        typesetter().pdf(
            "<p>A <b>B</b> <i>C</i></p>",
            style(Letterhead.Paper.A4),
            {},
            [],
            identifier="0" * 32,
            moment="2000-01-01T00:00:00+00:00",
        )


def _unsigned(found: html.Page) -> bytes:
    return typesetter().pdf(
        found.markup,
        style(found.paper),
        found.pictures,
        [],
        identifier=hashlib.sha256(found.markup.encode()).hexdigest()[:32],
        moment="2000-01-01T00:00:00+00:00",
    )


def make(version: ReportVersion) -> tuple[bytes, list[str]]:
    """The PDF, made anew, and what is missing in it."""
    started = time.monotonic()
    found = html.page(version)
    if missing := typesetter().missing_letters(strip_tags(found.markup)):
        found = html.page(version, problems=[_letters(missing)])
        found.problems.append(_letters(missing))
    parts = shown.of_version(version).versions
    attachments = [
        {
            "name": f"report-{one.report_id}-version-{one.number}.json",
            "description": f"What was signed, SHA-256 {one.content_sha256}",
            "text": document.canonical(one.content).decode(),
        }
        for one in parts
    ]
    made = typesetter().pdf(
        found.markup,
        style(found.paper),
        found.pictures,
        attachments,
        identifier=version.chain_sha256[:32],
        moment=version.signed_at.isoformat(),
    )
    milliseconds = round((time.monotonic() - started) * 1000)
    log.info("PDF made", version=version.pk, bytes=len(made), milliseconds=milliseconds)
    return made, found.problems


@lru_cache(maxsize=4)
def style(paper: str) -> str:
    """The style sheet of documents, for a paper."""
    return STYLE.read_text().replace("size: A4;", f"size: {paper};")


def _letters(missing: list[str]) -> str:
    named = ", ".join(f"U+{ord(letter):04X}" for letter in missing[:MOST_NAMED])
    return (
        f"No font of this server has these letters, and boxes stand for them: {named}."
        " The whole text is in the attached file."
    )
