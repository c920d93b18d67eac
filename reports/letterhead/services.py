"""A site's letterhead, whether it has set one or not."""

from __future__ import annotations

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
