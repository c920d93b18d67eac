"""Small pictures: rendered once in the killable decoder, kept as files of a few sizes.

An instance is shown by its middle frame, a series by its middle image, a study by the middle image
of its series with the most images, the first of them where several have as many.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from django.conf import settings
from django.db.models import Count, F, Q
from PIL import Image

from studies import archive, cachefiles
from studies.dicom.pixels import LOOK
from studies.models import Instance, Series
from studies.services.pixels import pixel_service

SIZES = (64, 128, 200, 256, 512)
SIZE = 200
QUALITY = 85
Room = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shown:
    """The frame, from 1, that stands for something."""

    instance_pk: int
    archive_key: str
    frame: int


def middle(frames: int) -> int:
    """The number of the middle frame."""
    return frames // 2 + 1


def nearest_size(wanted: int) -> int:
    """The smallest kept size that is large enough, so that a cache holds few variants."""
    return next((size for size in SIZES if size >= wanted), SIZES[-1])


def cache_file(instance_pk: int, frame: int, size: int) -> Path:
    """Where the picture is kept."""
    return Path(settings.CACHE_DIR) / "thumbnails" / f"{instance_pk}-{frame}-{size}-{LOOK}.jpg"


def kept(shown: Shown, room: Room = (SIZE, SIZE)) -> bytes | None:
    """The JPEG that fits into `room`, width and height, where it has been made; else None."""
    try:
        path = cache_file(shown.instance_pk, shown.frame, nearest_size(max(room)))
        return _fitted(path.read_bytes(), room)
    except FileNotFoundError:
        return None


def make(shown: Shown, room: Room = (SIZE, SIZE)) -> bytes:
    """The same, made where it has not been. Raises PixelError where nothing can be shown."""
    found = kept(shown, room)
    if found is not None:
        return found
    size = nearest_size(max(room))
    path = archive.local_path(shown.archive_key)
    picture = pixel_service().thumbnail(path, shown.frame, size)
    cachefiles.keep(cache_file(shown.instance_pk, shown.frame, size), picture)
    return _fitted(picture, room)


def _fitted(picture: bytes, room: Room) -> bytes:
    """A JPEG of ours, made smaller where it does not fit."""
    with Image.open(BytesIO(picture)) as image:
        if image.width <= room[0] and image.height <= room[1]:
            return picture
        image.thumbnail(room, Image.Resampling.BILINEAR)
        out = BytesIO()
        image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def representative(study_pk: int, series_uid: str | None) -> tuple[Shown, str] | None:
    """What stands for a series, or for the study, with the SHA-256 of its file; None where there
    is no image."""
    series = Series.objects.filter(study_id=study_pk)
    if series_uid is not None:
        series = series.filter(series_instance_uid=series_uid)
    largest = (
        series.annotate(images=Count("instances", filter=Q(instances__number_of_frames__gt=0)))
        .filter(images__gt=0)
        .order_by("-images", F("series_number").asc(nulls_last=True), "id")
        .first()
    )
    found = _middle_image(largest) if largest is not None else None
    return None if found is None else (_shown(found), found.file_sha256)


def _middle_image(series: Series) -> Instance | None:
    images = series.instances.filter(number_of_frames__gt=0)
    ordered = images.order_by(F("instance_number").asc(nulls_last=True), "id")
    return ordered[images.count() // 2 :].first()


def _shown(instance: Instance) -> Shown:
    return Shown(instance.pk, instance.archive_key, middle(instance.number_of_frames))


def make_for_series(series: Series) -> None:
    """Render ahead of the first request the picture that stands for a series."""
    if instance := _middle_image(series):
        make(_shown(instance))
