"""Why a file is refused, as a code and in a technician's words."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One enumeration for quarantine, upload answers and STOW-RS failure reasons."""

    EMPTY = "empty"
    NOT_DICOM = "not-dicom"
    TOO_LARGE = "too-large"
    BAD_STRUCTURE = "bad-structure"
    TOO_DEEP = "too-deep"
    INFLATE_LIMIT = "inflate-limit"
    BAD_UID = "bad-uid"
    MISSING_UID = "missing-uid"
    TRUNCATED_PIXELS = "truncated-pixels"
    BAD_PIXELS = "bad-pixels"
    UNDECODABLE = "undecodable-header"
    UNSUPPORTED_SYNTAX = "unsupported-syntax"
    CONFLICT = "conflicting-content"
    OTHER_PATIENT = "other-patient"
    MISSING_BULK = "missing-bulk-data"
    LEFT_AT_ORTHANC = "left-at-orthanc"
    NOT_COMPARED = "not-compared"
    DELETED = "deleted"


WORDS: dict[Reason, str] = {
    Reason.EMPTY: "The file is empty.",
    Reason.NOT_DICOM: "This is not a DICOM file.",
    Reason.TOO_LARGE: "The file is larger than the portal accepts.",
    Reason.BAD_STRUCTURE: "The file is damaged: a length in it does not fit.",
    Reason.TOO_DEEP: "The header is nested deeper than any real device writes.",
    Reason.INFLATE_LIMIT: "The compressed file unpacks to far more than it should.",
    Reason.BAD_UID: "A UID in the header is not a valid UID.",
    Reason.MISSING_UID: "The header lacks a UID that every image must have.",
    Reason.TRUNCATED_PIXELS: "The image data is cut off; the transfer was not complete.",
    Reason.BAD_PIXELS: "The image's size and its data do not fit together.",
    Reason.UNDECODABLE: "The header cannot be read.",
    Reason.UNSUPPORTED_SYNTAX: "The file's transfer syntax is missing or unknown.",
    Reason.CONFLICT: "Another image with the same UID is already stored; that one was kept.",
    Reason.OTHER_PATIENT: "The study already belongs to a patient with another ID.",
    Reason.MISSING_BULK: "The header names bulk data that were not sent with it.",
    Reason.LEFT_AT_ORTHANC: "The file is larger than the portal accepts. It is still at Orthanc.",
    Reason.NOT_COMPARED: (
        "The image is stored in another encoding, and the two could not be compared in time."
        " Send it again to retry."
    ),
    Reason.DELETED: (
        "The image was deleted here by the site's retention rules, and is not taken again unless"
        " an administrator of the site says so."
    ),
}


class GateError(ValueError):
    """A file that must not go further, with its reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(WORDS[reason])
        self.reason = reason
