"""Why a change of accounts is refused, in words for the person who asked."""

from __future__ import annotations


class NotAllowed(Exception):
    """The actor may not do this; the text says why and holds no secrets."""
