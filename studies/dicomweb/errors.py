"""What goes wrong in DICOMweb, and the one mapping from errors to status codes (PS3.18 8.5)."""

from __future__ import annotations

from django.db import OperationalError

from studies.errors import PermanentError, RetriableError


class DicomWebError(Exception):
    """An answer other than success. `words` are ours, in plain words, and reach the client."""

    status = 500
    words = "The server failed."

    def __init__(self, words: str = "") -> None:
        super().__init__(words or self.words)
        self.words = words or self.words


class BadRequestError(DicomWebError):
    status = 400
    words = "The request is malformed."


class NotAuthenticatedError(DicomWebError):
    status = 401
    words = "Send a bearer token or log in."


class ForbiddenError(DicomWebError):
    status = 403
    words = "You may not do this."


class NotFoundError(DicomWebError):
    """Hidden and unknown look the same: same status, same words."""

    status = 404
    words = "There is nothing here."


class MethodError(DicomWebError):
    status = 405
    words = "This address does not take that method."

    def __init__(self, allow: str) -> None:
        super().__init__()
        self.allow = allow


class NotAcceptableError(DicomWebError):
    status = 406
    words = "None of the media types in Accept can be made of this."


class SlowClientError(DicomWebError):
    status = 408
    words = "The body came too slowly."


class TooLargeError(DicomWebError):
    status = 413
    words = "The file is larger than this server takes."


class MediaTypeError(DicomWebError):
    status = 415
    words = "This address does not take that Content-Type."


class RangeError(DicomWebError):
    """No byte of the range exists; `length` is how many bytes there are."""

    status = 416
    words = "The range lies beyond the end."

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length


class BusyError(DicomWebError):
    status = 503
    words = "The server cannot do this now. Try again."


class StorageFullError(DicomWebError):
    """Nothing of what was sent is kept; the same works later."""

    status = 507
    words = "The portal's disk is full: nothing was stored. Send it again when there is room."


class ClientGoneError(Exception):
    """The client went away; nobody is left to answer."""


def as_answer(error: Exception) -> DicomWebError:
    """The answer for any error. Unknown errors say nothing about themselves."""
    from studies.archive import room
    from studies.dicom.payload import TooLargeError as PayloadTooLargeError

    if isinstance(error, DicomWebError):
        return error
    if isinstance(error, PayloadTooLargeError):
        return TooLargeError()
    if isinstance(error, PermanentError):
        return NotFoundError()
    if room.is_full(error):
        return StorageFullError()
    if isinstance(error, RetriableError | OperationalError):
        return BusyError()
    return DicomWebError()
