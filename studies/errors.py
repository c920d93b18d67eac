"""Errors whose class says what to do about them."""

from __future__ import annotations


class PermanentError(Exception):
    """Repeating it will not help."""


class RetriableError(Exception):
    """The same may work later."""
