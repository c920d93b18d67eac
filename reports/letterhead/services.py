"""A site's letterhead, whether it has set one or not."""

from __future__ import annotations

import warnings
from io import BytesIO

from PIL import Image

from reports.errors import BadContent
from reports.letterhead.models import Letterhead

MOST_LOGO = 256 * 1024
MOST_SIDE = 4000
PNG, JPEG = "image/png", "image/jpeg"
_BEGINNINGS = {b"\x89PNG\r\n\x1a\n": PNG, b"\xff\xd8\xff": JPEG}


def of_site(site_id: int) -> Letterhead:
    """The letterhead; one with nothing on it where the site has set none."""
    return Letterhead.objects.filter(site_id=site_id).first() or Letterhead(site_id=site_id)


def media_type(logo: bytes) -> str:
    """PNG or JPEG by the first bytes; "" for anything else."""
    return next((kind for start, kind in _BEGINNINGS.items() if logo.startswith(start)), "")


def checked_logo(data: bytes) -> bytes:
    """A logo that may be printed: PNG or JPEG by its content. Only its header is read here.

    Raises BadContent, in words.
    """
    if len(data) > MOST_LOGO:
        raise BadContent("The logo is larger than 256 KB.")
    if not media_type(data):
        raise BadContent("The logo is neither PNG nor JPEG.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=("PNG", "JPEG")) as image:
                width, height = image.size
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError):
        raise BadContent("The logo cannot be read.") from None
    if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE):
        raise BadContent(f"The logo is larger than {MOST_SIDE} pixels a side.")
    return data
