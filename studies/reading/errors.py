"""What can go wrong with reading, in the user's words. No patient data in any."""

from __future__ import annotations

from typing import Any

from studies.errors import PermanentError


class ReadingError(PermanentError):
    """`code` is for programs, `words` for people, `status` for HTTP."""

    status = 409
    code = "refused"

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class NotAllowed(ReadingError):
    """The person sees the study and may not do this."""

    status = 403
    code = "not-allowed"


class Refused(ReadingError):
    """It cannot be done as the study stands."""


class AlreadyClaimed(ReadingError):
    """Somebody else reads the study: `reader`, a User."""

    code = "already-claimed"

    def __init__(self, reader: Any) -> None:
        super().__init__(f"{reader} is reading this study.")
        self.reader = reader
