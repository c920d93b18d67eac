"""What can go wrong with a correction, in the user's words. No patient data in any."""

from __future__ import annotations

from studies.errors import PermanentError


class CorrectionError(PermanentError):
    """`code` is for programs, `words` for people, `field` names what was entered wrongly."""

    code = "refused"

    def __init__(self, words: str, field: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.field = field


class Refused(CorrectionError):
    """It cannot be done as things stand."""


class Stale(CorrectionError):
    """Somebody else has corrected the same since this person looked at it."""

    code = "stale"

    def __init__(self) -> None:
        super().__init__(
            "Somebody else has corrected this study meanwhile. Nothing was changed: look at it"
            " as it is now, and begin again."
        )


class WrongValue(CorrectionError):
    """What was entered is no value of its attribute."""

    code = "wrong-value"
