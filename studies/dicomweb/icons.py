"""Thumbnails of what has no picture: a sheet of paper with the kind of document on it."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from studies.dicom.structured.classes import is_report
from studies.dicomweb import encapsulated
from studies.dicomweb.instances import Location

GROUND, PAPER, INK = 24, 235, 60
QUALITY: Final = 90
MAX_SIDE: Final = 1024


def label_of(location: Location) -> str:
    """What stands on the icon of an instance; empty for what has none."""
    if location.sop_class_uid == encapsulated.ENCAPSULATED_PDF:
        return "PDF"
    return "SR" if is_report(location.sop_class_uid) else ""


@lru_cache(maxsize=64)
def icon(label: str, room: tuple[int, int]) -> bytes:
    """A square JPEG that fits into `room`, width and height in pixels."""
    side = max(min(*room, MAX_SIDE), 1)
    image = Image.new("L", (side, side), GROUND)
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = (round(side * part) for part in (0.22, 0.12, 0.78, 0.88))
    pen.rectangle((left, top, max(right, left), max(bottom, top)), fill=PAPER)
    font = ImageFont.load_default(max(side * 0.2, 1))
    pen.text((side / 2, side * 0.32), label, fill=INK, font=font, anchor="mm")
    for line in range(4):
        height = round(side * (0.5 + 0.085 * line))
        thick = max(side // 64, 1)
        pen.line((left + side * 0.07, height, right - side * 0.07, height), INK, thick)
    out = BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
