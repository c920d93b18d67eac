"""Which representation of a resource an Accept header asks for (PS3.18 8.7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from studies.dicom.syntaxes import EXPLICIT_LE, IMPLICIT_LE
from studies.dicomweb.errors import NotAcceptableError

OCTET_STREAM = "application/octet-stream"
DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"

# Uncompressed little endian frames are the same bytes in both.
NATIVE = frozenset({IMPLICIT_LE, EXPLICIT_LE})

# PS3.18 table 8.7.3-5, and the syntaxes that have no default there.
MEDIA_TYPES = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One media range of Accept. `part_type` is the `type` of multipart/related, else ""."""

    media_type: str
    part_type: str
    transfer_syntax: str
    quality: float

    @property
    def is_multipart(self) -> bool:
        return self.media_type == "multipart/related"

    @property
    def is_anything(self) -> bool:
        return self.media_type in {"*/*", "multipart/*"}


@lru_cache(maxsize=256)
def wanted(accept: str) -> tuple[Wanted, ...]:
    """The media ranges of an Accept header, best first. An empty header accepts anything."""
    ranges = []
    for text in _split(accept or "*/*", ","):
        media_type, *parameters = (part.strip() for part in _split(text, ";"))
        values = {}
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            values[name.strip().lower()] = value.strip().strip('"')
        try:
            quality = float(values.get("q", "1"))
        except ValueError:
            quality = 0.0
        if media_type and quality > 0:
            ranges.append(
                Wanted(
                    media_type.lower(),
                    values.get("type", "").lower(),
                    values.get("transfer-syntax", ""),
                    quality,
                )
            )
    return tuple(sorted(ranges, key=lambda one: -one.quality))


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators that are not inside quotation marks."""
    parts, start, quoted = [], 0, False
    for position, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif letter == separator and not quoted:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


@dataclass(frozen=True, slots=True)
class FrameForm:
    """How frames are sent."""

    multipart: bool
    media_type: str
    transfer_syntax_uid: str
    decode: bool

    @property
    def content_type(self) -> bytes:
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax_uid}".encode()


@lru_cache(maxsize=1024)
def frame_form(accept: str, stored: str, needs_decode: bool, many: bool) -> FrameForm:
    """The form of frames stored in the transfer syntax `stored` (PS3.18 8.7.3.3).

    `needs_decode`: frames cannot be sent as stored and are made explicit little endian. `many`:
    more than one frame, which only multipart can carry. Raises NotAcceptableError.
    """
    decoded = needs_decode or stored in NATIVE
    actual = EXPLICIT_LE if decoded else stored
    own_type = OCTET_STREAM if decoded else MEDIA_TYPES.get(stored, OCTET_STREAM)
    for one in wanted(accept):
        if one.is_anything:
            return FrameForm(True, own_type, actual, needs_decode)
        if one.media_type == "multipart/related":
            part, multipart = one.part_type or "*/*", True
        elif many:
            continue
        else:
            part, multipart = one.media_type, False
        syntax = one.transfer_syntax
        as_stored = syntax in {"*", actual} or (stored in NATIVE and syntax in NATIVE)
        if part == "*/*" and (not syntax or as_stored):
            return FrameForm(multipart, own_type, actual, needs_decode)
        if part == OCTET_STREAM and as_stored:
            return FrameForm(multipart, OCTET_STREAM, actual, needs_decode)
        if part in {OCTET_STREAM, "*/*"} and syntax in {"", EXPLICIT_LE}:
            # Octet stream without a transfer syntax means uncompressed.
            return FrameForm(multipart, OCTET_STREAM, EXPLICIT_LE, needs_decode or not decoded)
        if part == own_type and (not syntax or as_stored):
            return FrameForm(multipart, own_type, actual, needs_decode)
        if part == "image/*" and own_type.startswith("image/") and (not syntax or as_stored):
            return FrameForm(multipart, own_type, actual, needs_decode)
    raise NotAcceptableError


@lru_cache(maxsize=256)
def instance_is_multipart(accept: str, stored: str, many: bool) -> bool:
    """Whether instances go as multipart. Raises NotAcceptableError.

    Stored files are sent as they are: a transfer syntax other than the stored one does not fit,
    unless it was not asked for by name.
    """
    for one in wanted(accept):
        fits = one.transfer_syntax in {"", "*", stored}
        if one.is_anything and fits:
            return True
        if one.is_multipart and one.part_type in {"", "*/*", DICOM} and fits:
            return True
        if one.media_type == DICOM and not many and fits:
            return False
    raise NotAcceptableError


@lru_cache(maxsize=256)
def accepts(accept: str, *media_types: str) -> str:
    """The first of `media_types` that Accept takes, in the order of Accept. NotAcceptableError."""
    for one in wanted(accept):
        if one.is_anything or one.media_type == "application/*":
            return media_types[0]
        for media_type in media_types:
            major = media_type.partition("/")[0]
            if one.media_type in {media_type, f"{major}/*"}:
                return media_type
    raise NotAcceptableError
