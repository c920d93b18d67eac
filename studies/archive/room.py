"""Room on the disks of this machine: images are not taken while little is left.

What is kept free is for everything else: reports are written and signed, the database grows, and a
person can put things right. Orthanc and the site agents keep what is not taken and send it again.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from django.conf import settings

from studies import archive
from studies.errors import RetriableError

FULL = (errno.ENOSPC, errno.EDQUOT)
WORDS = "The portal's disk is nearly full: no images are taken until there is room."


class ArchiveFull(RetriableError, OSError):
    """No image is taken now; the same works when somebody has made room."""

    def __init__(self) -> None:
        super().__init__(WORDS)
        self.errno, self.strerror = errno.ENOSPC, WORDS

    def __str__(self) -> str:
        return WORDS


def check() -> None:
    """Raises ArchiveFull where an image must not be taken."""
    if is_short():
        raise ArchiveFull


def is_short() -> bool:
    """Whether a disk has less than PACS_MIN_FREE_BYTES for whoever is not root."""
    places = {Path(settings.DATA_DIR), archive.folder() or Path(settings.ARCHIVE_CACHE_DIR)}
    return any(_free(place) < settings.MIN_FREE_BYTES for place in places)


def _free(place: Path) -> int:
    while True:
        try:
            found = os.statvfs(place)
        except FileNotFoundError:  # it is made with the first image
            place = place.parent
            continue
        return found.f_bavail * found.f_frsize


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk is full."""
    return isinstance(error, OSError) and error.errno in FULL


def words() -> str:
    """For `/healthz`."""
    return "nearly full, no images are taken" if is_short() else "ok"
