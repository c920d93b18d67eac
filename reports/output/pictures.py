"""Where the pictures of a document come from: the archive, and nothing else."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

import structlog
from django.core.exceptions import SuspiciousFileOperation
from django.urls import reverse

from reports.errors import RetriableError
from reports.models import ReportVersion
from studies import archive
from studies.annotations import pictures as key_images
from studies.annotations.models import KeyImage

log = structlog.get_logger(__name__)
SCHEME = "lightbox:"
PNG = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 16 * 2**20


class PictureMissing(Exception):
    """The archive does not have the picture that was signed."""


@dataclass(frozen=True, slots=True)
class Source:
    """A key image of a signed version, or of a draft, where `version` is None."""

    version: ReportVersion | None
    study_id: int
    key_image: UUID | None
    sha256: str
    archive_key: str


def read(source: Source) -> bytes:
    """The PNG that was signed. PictureMissing where it is not there, or not the same;
    RetriableError where the archive cannot be reached."""
    if not source.archive_key:
        raise PictureMissing
    try:
        with archive.open_file(source.archive_key) as file:
            found = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, SuspiciousFileOperation):
        raise PictureMissing from None
    except Exception as error:  # each storage has its own
        raise RetriableError("The archive of images cannot be reached.", code="archive") from error
    if hashlib.sha256(found).hexdigest() != source.sha256 or not found.startswith(PNG):
        raise PictureMissing
    return found


class Pictures:
    """Numbers the pictures of one document, and gives each its address."""

    def __init__(self, *, on_screen: bool) -> None:
        self._on_screen = on_screen
        self._count = 0
        self.bytes: dict[str, bytes] = {}
        self.problems: list[str] = []

    def address(self, source: Source) -> tuple[str, int]:
        """The address, "" where there is no picture, and the number of a key image."""
        self._count += 1
        if self._on_screen:
            return self._on_portal(source), self._count
        try:
            found = read(source) if source.version is not None else _of_draft(source)
        except (PictureMissing, key_images.PictureError):
            log.warning("a key image is missing", version=source.version and source.version.pk)
            self.problems.append(f"key image {self._count} is missing or broken")
            return "", self._count
        name = f"picture-{self._count}.png"
        self.bytes[name] = found
        return f"{SCHEME}{name}", self._count

    def inline(self, name: str, body: bytes, media_type: str) -> str:
        """The address of a small picture that is ours."""
        if self._on_screen:
            if media_type == "image/svg+xml":
                return f"data:{media_type},{quote(body)}"
            return f"data:{media_type};base64,{base64.b64encode(body).decode()}"
        self.bytes[name] = body
        return f"{SCHEME}{name}"

    @staticmethod
    def _on_portal(source: Source) -> str:
        if source.version is not None:
            return reverse("report-picture", args=[source.version.pk, source.sha256 or "0"])
        return reverse("key-image-picture", args=[source.key_image]) if source.key_image else ""


def _of_draft(source: Source) -> bytes:
    if source.key_image is None:
        raise PictureMissing
    key_image = KeyImage.objects.filter(pk=source.key_image, study=source.study_id).first()
    if key_image is None:
        raise PictureMissing
    return key_images.picture(key_image)
