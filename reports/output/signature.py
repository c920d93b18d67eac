"""A signature of the hospital on a PDF: PAdES-B (ETSI EN 319 142-1), where there is a certificate.

The key never leaves this process, and never enters the typesetter's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from reports.errors import PermanentError

log = structlog.get_logger(__name__)
FIELD = "Lightbox"
ROOM = 16_384


class CertificateError(PermanentError):
    """The certificate cannot be used as it is configured."""

    code = "certificate"


def is_configured() -> bool:
    """Whether PDFs are to be signed."""
    return bool(settings.REPORT_SIGNING_P12)


def signed(pdf: bytes, *, reason: str, place: str) -> bytes:
    """The PDF with an invisible certification signature: any change shows.

    An incremental update, so that what was typeset is inside byte for byte. CertificateError where
    the certificate cannot be read or has expired; a report is never sent without the signature
    that was asked for.
    """
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import PdfSignatureMetadata, PdfSigner
    from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter

    signer = _signer(settings.REPORT_SIGNING_P12, _password())
    metadata = PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
        reason=reason,
        location=place,
    )
    out = BytesIO()
    PdfSigner(metadata, signer).sign_pdf(
        IncrementalPdfFileWriter(BytesIO(pdf)), output=out, bytes_reserved=ROOM
    )
    return out.getvalue()


def check() -> str:
    """What is wrong with the certificate, in words; "" where nothing is, or none is configured."""
    if not is_configured():
        return ""
    try:
        _signer(settings.REPORT_SIGNING_P12, _password())
    except CertificateError as error:
        return error.words
    return ""


def _password() -> str:
    return str(settings.REPORT_SIGNING_PASSWORD)


@lru_cache(maxsize=2)
def _loaded(path: str, password: str, changed: float) -> Any:
    from pyhanko.sign import SimpleSigner

    loader: Any = SimpleSigner
    return loader.load_pkcs12(pfx_file=path, passphrase=password.encode() or None)


def _signer(path: str, password: str) -> Any:
    """The signer of a PKCS #12 file, read again when the file changes."""
    try:
        found = _loaded(path, password, Path(path).stat().st_mtime)
    except (OSError, ValueError) as error:
        raise CertificateError("The certificate for reports cannot be read.") from error
    if found is None or found.signing_cert is None:
        raise CertificateError("The certificate for reports cannot be read: file or password.")
    if found.signing_cert.not_valid_after < datetime.now(UTC):
        raise CertificateError("The certificate for reports has expired.")
    return found
