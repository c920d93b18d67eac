"""How rendered resources are sent: which media type, in one part or several (PS3.18 8.7.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from studies.dicomweb.errors import NotAcceptableError
from studies.dicomweb.negotiation import wanted

JPEG, PNG, GIF, PDF = "image/jpeg", "image/png", "image/gif", "application/pdf"
HTML, TEXT = "text/html", "text/plain"
PICTURES = (JPEG, PNG, GIF)
THUMBNAILS = (JPEG,)
PDFS = (PDF,)
REPORTS = (HTML, TEXT)


@dataclass(frozen=True, slots=True)
class PictureForm:
    """One media type; several pictures need `multipart`."""

    media_type: str
    multipart: bool


@lru_cache(maxsize=512)
def picture_form(accept: str, offered: Sequence[str], many: bool) -> PictureForm:
    """The form that Accept likes best; the first of `offered` where it leaves the choice.

    `many`: the resource is several pictures, which one part cannot carry. NotAcceptableError.
    """
    for one in wanted(accept):
        if one.is_anything:
            return PictureForm(offered[0], many or one.media_type == "multipart/*")
        if one.is_multipart:
            range_, multipart = one.part_type or "*/*", True
        elif many:
            continue
        else:
            range_, multipart = one.media_type, False
        for media_type in offered:
            if range_ in {media_type, "*/*", f"{media_type.partition('/')[0]}/*"}:
                return PictureForm(media_type, multipart)
    raise NotAcceptableError
