"""Encryption of secrets at rest (Orthanc passwords, webhook secrets). The first key encrypts."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


def _fernet() -> MultiFernet:
    return MultiFernet(
        [
            Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))
            for key in settings.FIELD_KEYS
        ]
    )


def encrypt(text: str) -> str:
    """`text` under the first of FIELD_KEYS; empty stays empty."""
    return _fernet().encrypt(text.encode()).decode() if text else ""


def decrypt(token: str) -> str:
    """The text of `encrypt`; ImproperlyConfigured where no key of FIELD_KEYS opens it."""
    if not token:
        return ""
    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise ImproperlyConfigured("a stored secret opens with none of PACS_FIELD_KEYS") from error


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Text that the database only sees encrypted. It cannot be searched."""

    def get_prep_value(self, value: Any) -> Any:
        return encrypt(value or "")

    def from_db_value(self, value: str | None, *_args: Any) -> str:
        return decrypt(value or "")
