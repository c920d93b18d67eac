"""Which representation of a resource an Accept header asks for (PS3.18 8.7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs

from studies.dicom.syntaxes import (
    DEFLATED_FRAMES,
    EXPLICIT_BE,
    EXPLICIT_LE,
    HTJ2K_LOSSLESS,
    HTJ2K_RPCL,
    IMPLICIT_LE,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LS,
)
from studies.dicomweb.errors import BadRequestError, NotAcceptableError
from studies.dicomweb.exchange import Exchange

OCTET_STREAM = "application/octet-stream"
MULTIPART = "multipart/related"
ZIP = "application/zip"
DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"

# PS3.18 table 8.7.3-5, and the syntaxes that have no default there.
MEDIA_TYPES = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.53": "image/jpeg",
    "1.2.840.10008.1.2.4.55": "image/jpeg",
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


# What is made on request of whatever is stored.
MADE = frozenset({EXPLICIT_LE, JPEG_LS, HTJ2K_LOSSLESS, HTJ2K_RPCL, JPEG_BASELINE})
# What a media type without a transfer syntax is made as; image/jpeg would be lossless there.
MADE_AS = {"image/jls": JPEG_LS, "image/jphc": HTJ2K_LOSSLESS}
# No browser decodes these, so they go out as stored only where Accept names them.
UNSHOWABLE = JPEG_EXTENDED | {DEFLATED_FRAMES, EXPLICIT_BE}
# Uncompressed little endian frames are the same bytes in both.
LITTLE = frozenset({IMPLICIT_LE, EXPLICIT_LE})


@dataclass(frozen=True, slots=True)
class Wanted:
    """One media range of Accept. `part_type` is the `type` of multipart/related, else ""."""

    media_type: str
    part_type: str
    transfer_syntax: str
    quality: float

    @property
    def is_multipart(self) -> bool:
        return self.media_type == MULTIPART

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


def media_type_of(syntax: str) -> str:
    """The media type of frames in a transfer syntax."""
    return MEDIA_TYPES.get(syntax, OCTET_STREAM)


@dataclass(frozen=True, slots=True)
class FrameForm:
    """How frames are sent; `as_stored`: their bytes are the file's."""

    multipart: bool
    media_type: str
    transfer_syntax_uid: str
    as_stored: bool

    @property
    def content_type(self) -> bytes:
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax_uid}".encode()


@lru_cache(maxsize=1024)
def frame_forms(accept: str, stored: str, whole_only: bool, many: bool) -> tuple[FrameForm, ...]:
    """The forms that suit the client, best first, of frames stored in the transfer syntax `stored`
    (PS3.18 8.7.3.3). Raises NotAcceptableError for none.

    `whole_only`: no bytes of the file are a frame, a decoder must cut it. `many`: more than one
    frame, which only multipart can carry.
    """
    forms: list[FrameForm] = []
    for one in wanted(accept):
        if one.is_anything or one.is_multipart:
            part, multipart = (one.is_multipart and one.part_type) or "*/*", True
        elif many:
            continue
        else:
            part, multipart = one.media_type, False
        for syntax in _syntaxes(part, one.transfer_syntax, stored, whole_only):
            natural = media_type_of(syntax)
            if part in {"*/*", natural} or part == f"{natural.partition('/')[0]}/*":
                media_type = natural
            elif part == OCTET_STREAM:
                media_type = OCTET_STREAM
            else:
                continue
            as_stored = not whole_only and (syntax == stored or {syntax, stored} <= LITTLE)
            form = FrameForm(multipart, media_type, syntax, as_stored)
            if form not in forms:
                forms.append(form)
    if not forms:
        raise NotAcceptableError
    return tuple(forms)


def _syntaxes(part: str, syntax: str, stored: str, whole_only: bool) -> tuple[str, ...]:
    """The transfer syntaxes that a media range may mean, best first."""
    decoded = whole_only or stored in LITTLE or stored in UNSHOWABLE
    usual = EXPLICIT_LE if decoded else stored
    if syntax not in {"", "*"}:
        if syntax == stored and not whole_only and stored not in LITTLE:
            return (stored,)
        if syntax in MADE:
            return (syntax,)
        return (EXPLICIT_LE,) if syntax == IMPLICIT_LE == stored else ()
    if part == OCTET_STREAM and not syntax:
        return (EXPLICIT_LE,)  # octet stream without a transfer syntax means uncompressed
    if part == media_type_of(stored) and not whole_only and part != OCTET_STREAM:
        return (stored,)
    if part in MADE_AS:
        return (MADE_AS[part],)
    return (usual,)


@dataclass(frozen=True, slots=True)
class InstanceForm:
    """How instances are sent; `transfer_syntax_uid` is "" for each as stored."""

    package: str
    transfer_syntax_uid: str

    @property
    def key(self) -> str:
        """For entity tags."""
        return f"{self.package}-{self.transfer_syntax_uid}"

    def syntax_of(self, stored: str) -> str:
        """The transfer syntax that an instance stored in `stored` goes out in."""
        return self.transfer_syntax_uid or stored


@lru_cache(maxsize=256)
def instance_forms(accept: str, many: bool) -> tuple[InstanceForm, ...]:
    """The forms of whole instances that suit the client, best first. Raises NotAcceptableError.

    Without a transfer syntax, instances go as they are stored, as with `*`: recompressing what
    nobody named would cost time and be another file.
    """
    forms: list[InstanceForm] = []
    for one in wanted(accept):
        if one.is_anything or (one.is_multipart and one.part_type in {"", "*/*", DICOM}):
            package = MULTIPART
        elif one.media_type == ZIP:
            package = ZIP
        elif one.media_type == DICOM and not many:
            package = DICOM
        else:
            continue
        syntax = "" if one.transfer_syntax == "*" else one.transfer_syntax
        forms.append(InstanceForm(package, syntax))
    if not forms:
        raise NotAcceptableError
    return tuple(forms)


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


def accept_of(exchange: Exchange) -> str:
    """What the client accepts: the query's parameter before the header (PS3.18 8.3.3.1)."""
    query: bytes = exchange.scope.get("query_string", b"")
    if b"accept=" in query:
        text = query.decode("latin-1").replace("+", "%2B")  # as in application/dicom+json
        try:
            values = parse_qs(text, max_num_fields=50).get("accept")
        except ValueError:
            raise BadRequestError from None
        if values:
            return ",".join(values)
    return exchange.headers.get("accept", "")
