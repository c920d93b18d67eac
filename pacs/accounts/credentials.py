"""Bearer tokens as requests carry them."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import ApiToken

LAST_USED_STEP = timedelta(minutes=1)
MAX_HEADER = 1024


def token_secret(authorization: str) -> str | None:
    """The token of an Authorization header: `Bearer TOKEN`, or Basic with it as the password.

    None where the header is of another kind or damaged.
    """
    if len(authorization) > MAX_HEADER:
        return None
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value or None
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            return None
        return text.partition(":")[2] or None
    return None


def use(secret: str) -> ApiToken | None:
    """The usable token of this secret, noted as used (at most once a minute)."""
    token = ApiToken.find(secret)
    if token is None:
        return None
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - LAST_USED_STEP:
        ApiToken.objects.filter(
            Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_STEP), pk=token.pk
        ).update(last_used_at=now)
    return token
