"""The pictures that a rendered resource is made of, and the making of one."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from studies import archive
from studies.dicom import header, presentation
from studies.dicom.errors import GateError
from studies.dicom.pixels import plain
from studies.dicom.pixels.client import BadRequestedRegion, PixelError, PixelTimeout
from studies.dicom.pixels.rendering import GIF, Rendering
from studies.dicom.presentation import Reference
from studies.dicom.syntaxes import EXPLICIT_LE, IMPLICIT_LE
from studies.dicomweb.authority import StudyRef
from studies.dicomweb.errors import (
    BadRequestError,
    BusyError,
    DicomWebError,
    NotAcceptableError,
    NotFoundError,
)
from studies.dicomweb.instances import COLUMNS, Instances, Location, header_path, with_overlays
from studies.dicomweb.pool import Once, Pool
from studies.models import Instance
from studies.services import renderings

NOT_SHOWN = "This instance has no picture that can be shown."
ELSEWHERE = "The images that this presentation state is about are not in its study."
MAX_STATE_BYTES = 64 << 20
MAX_PICTURES = 20_000
MAX_MOVING = 1_000


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame, or all frames of a moving picture, as it is or with a presentation state."""

    location: Location
    frames: tuple[int, ...]
    state: Location | None = None

    def cache_file(self, wanted: Rendering) -> Path:
        state = self.state.etag if self.state is not None else ""
        own = self.location.header_etag if wanted.annotation else self.location.etag
        return renderings.cache_file(own, self.frames, wanted, state)


def is_state(location: Location) -> bool:
    """Whether this is a presentation state that can be applied."""
    return location.sop_class_uid in presentation.SOP_CLASSES


async def of_state(quick: Pool, study: StudyRef, state: Location) -> list[Picture]:
    """The frames that a presentation state is about, in its order. NotFoundError for none."""
    rows = await quick.run(_referenced, study.pk, state.archive_key)
    pictures = []
    for location, reference in rows:
        listed = reference.frames or range(1, location.number_of_frames + 1)
        pictures += [
            Picture(location, (number,), state)
            for number in listed
            if 1 <= number <= location.number_of_frames
        ]
    if not pictures:
        raise NotFoundError(ELSEWHERE)
    return pictures[:MAX_PICTURES]


def _referenced(study_pk: int, state_key: str) -> list[tuple[Location, Reference]]:
    path = archive.local_path(state_key)
    if path.stat().st_size > MAX_STATE_BYTES:
        raise NotAcceptableError("The presentation state is larger than can be applied.")
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            references = presentation.references(header.read(data))
    except GateError:
        raise NotFoundError from None
    wanted = [reference.sop_instance_uid for reference in references]
    rows = Instance.objects.filter(
        series__study_id=study_pk, sop_instance_uid__in=wanted, number_of_frames__gt=0
    ).values(*COLUMNS)
    found = {row["sop_instance_uid"]: Location(row) for row in with_overlays(study_pk, list(rows))}
    return [
        (found[reference.sop_instance_uid], reference)
        for reference in references
        if reference.sop_instance_uid in found
    ]


def all_frames(locations: Iterable[Location]) -> list[Picture]:
    """Every frame of every image."""
    pictures = [
        Picture(location, (number,))
        for location in locations
        for number in range(1, location.number_of_frames + 1)
    ]
    if len(pictures) > MAX_PICTURES:
        raise NotAcceptableError(f"These are more than {MAX_PICTURES} pictures: ask for less.")
    return pictures


def moving(location: Location) -> Picture:
    """All frames as one picture."""
    if location.number_of_frames > MAX_MOVING:
        raise NotAcceptableError(f"A moving picture has at most {MAX_MOVING} frames.")
    return Picture(location, tuple(range(1, location.number_of_frames + 1)))


class Maker:
    """Makes pictures, each once however many ask at the same time."""

    def __init__(self, quick: Pool, slow: Pool, instances: Instances) -> None:
        self._quick = quick
        self._slow = slow
        self._instances = instances
        self._once = Once()

    async def made(self, picture: Picture, wanted: Rendering, path: Path | None = None) -> bytes:
        """The encoded picture, from the cache or the decoder. DicomWebError where it cannot be.

        `path`: its cache file, where that is known already.
        """
        path = path or picture.cache_file(wanted)
        if renderings.is_kept(path):
            found = await self._quick.run(renderings.kept, path)
            if found is not None:
                return found
        return await self._once.run(path, lambda: self._make(picture, wanted, path))

    async def _make(self, picture: Picture, wanted: Rendering, path: Path) -> bytes:
        made = await self._at_once(picture, wanted)
        if made is None:
            made = await self._slow.run(_make, picture, wanted)
        self._quick.later(renderings.keep, path, made)
        return made

    async def _at_once(self, picture: Picture, wanted: Rendering) -> bytes | None:
        """The picture of a small slice whose file is in memory already; None for any other."""
        location = picture.location
        if picture.state is not None or location.number_of_frames != 1:
            return None
        span = _span(location, picture.frames)
        if span is None or not plain.may_be(span, wanted):
            return None
        opened = await self._instances.open(location)
        data = opened.read_cached(0, sum(span))
        return None if data is None else plain.picture(data, span, wanted)


def _make(picture: Picture, wanted: Rendering) -> bytes:
    is_corrected = picture.location.overlay is not None and wanted.annotation
    copy = header_path(picture.location) if is_corrected else None
    try:
        return renderings.make(
            picture.location.archive_key,
            picture.frames,
            wanted,
            span=None if copy or wanted.kind == GIF else _span(picture.location, picture.frames),
            header=copy,
            state_key=picture.state.archive_key if picture.state is not None else "",
        )
    except PixelError as error:
        raise refusal(error) from None


def refusal(error: PixelError) -> DicomWebError:
    """The answer where the decoder gives no picture. Its words are fit for a reader."""
    if isinstance(error, BadRequestedRegion):
        return BadRequestError("The region is outside the image.")
    if isinstance(error, PixelTimeout):
        return BusyError("Making this picture takes too long now. Try again.")
    return NotAcceptableError(f"No picture can be made: {error}.")


def _span(location: Location, frames: Sequence[int]) -> tuple[int, int] | None:
    """Where the bytes of an uncompressed frame lie."""
    index = location.frames
    if index.native is None or location.transfer_syntax_uid not in {IMPLICIT_LE, EXPLICIT_LE}:
        return None
    return index.spans(frames[0])[0]
