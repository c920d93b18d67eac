"""TLS to the portal: the system's checks, and pinned public keys inside the handshake.

The pin is checked before the first byte of HTTP, so a wrong server never sees the key.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Collection
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class PinError(ssl.SSLCertVerificationError):
    """The server showed a public key that is not pinned: an attack, or a forgotten change."""


def spki(certificate: bytes) -> str:
    """Base64 SHA-256 of the SubjectPublicKeyInfo of a DER certificate (RFC 7469 2.4)."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(info).digest()).decode()


def context(pins: Collection[str], ca_file: Path | None) -> ssl.SSLContext:
    """A client's context, TLS 1.2 or newer. Raises OSError where `ca_file` cannot be used."""
    made = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if pins:
        wanted = frozenset(pins)

        class Pinned(ssl.SSLObject):
            def do_handshake(self) -> None:
                super().do_handshake()
                shown = self.getpeercert(binary_form=True)
                if shown is None or spki(shown) not in wanted:
                    raise PinError("the server's public key is not one of the pinned ones")

        made.sslobject_class = Pinned
    return made
