"""What can go wrong with a report, in the user's words, and whether trying again can help."""

from __future__ import annotations

from typing import Any


class ReportError(Exception):
    """`code` is for programs, `words` for people, `status` for HTTP. No patient data in any."""

    status = 409
    code = "report"

    def __init__(self, words: str, *, code: str = "", **detail: Any) -> None:
        super().__init__(words)
        self.words = words
        self.code = code or self.code
        self.detail = detail


class NotAllowed(ReportError):
    """The person sees the study and may not do this."""

    status = 403
    code = "not-allowed"


class Refused(ReportError):
    """It cannot be done as the report stands."""

    code = "refused"


class Stale(ReportError):
    """Somebody saved in between; `detail` holds `revision` and `content` as they are now."""

    code = "stale"


class BadContent(ReportError):
    """The content is not a document of reports.document."""

    status = 400
    code = "bad-content"


class PermanentError(ReportError):
    """A delivery that no repetition can make succeed."""

    code = "permanent"


class RetriableError(ReportError):
    """A delivery that may succeed later."""

    code = "retriable"
