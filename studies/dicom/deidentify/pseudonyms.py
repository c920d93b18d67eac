"""New names and UIDs in the place of those of one set of images: the same for the same, and nobody
who has the copy can go back."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """`secret` lives as long as the copy is made, and is kept nowhere."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def _digest(self, kind: str, value: str) -> bytes:
        return hmac.digest(self.secret, f"{kind}:{value}".encode(), hashlib.sha256)

    def uid(self, value: str) -> str:
        """A UID of the root 2.25 (PS3.5 B.2); "" for ""."""
        if not value:
            return ""
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', value)[:16], version=4).int}"

    def patient(self, patient_id: str) -> str:
        """Eight letters and digits for a PatientID."""
        return self._digest("patient", patient_id).hex()[:8].upper()
