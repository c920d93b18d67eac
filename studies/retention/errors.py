"""What can go wrong with retention, in the user's words. No patient data in any."""

from __future__ import annotations

from studies.errors import PermanentError


class Refused(PermanentError):
    """It cannot be done as things stand."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class NotAllowed(Refused):
    """The person has no right to it."""
