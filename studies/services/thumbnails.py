"""Small pictures of instances: rendered once in the killable decoder, kept as files."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from studies import archive, cachefiles
from studies.dicom.pixels import LOOK
from studies.models import Instance, Series
from studies.services.pixels import pixel_service

SIZES = (64, 128, 200, 256, 512)
SIZE = 200


def nearest_size(wanted: int) -> int:
    """The smallest kept size that is large enough, so that a cache holds few variants."""
    return next((size for size in SIZES if size >= wanted), SIZES[-1])


def cache_file(instance_pk: int, size: int) -> Path:
    """Where the picture is kept."""
    return Path(settings.CACHE_DIR) / "thumbnails" / f"{instance_pk}-{size}-{LOOK}.jpg"


def thumbnail(instance_pk: int, archive_key: str, frames: int, size: int = SIZE) -> bytes:
    """The JPEG of an instance's middle frame. Raises PixelError where nothing can be shown."""
    path = cache_file(instance_pk, size)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    picture = pixel_service().thumbnail(archive.local_path(archive_key), frames // 2 + 1, size)
    cachefiles.keep(path, picture)
    return picture


def make(instance: Instance) -> None:
    """Render ahead of the first request."""
    thumbnail(instance.pk, instance.archive_key, instance.number_of_frames)


def make_for_series(series: Series) -> None:
    """The same for a series' middle instance, which is the one that its thumbnail shows."""
    instances = series.instances.order_by("instance_number", "id")
    if instance := instances[series.number_of_instances // 2 :].first():
        make(instance)
