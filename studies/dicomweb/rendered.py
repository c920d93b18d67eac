"""Rendered pictures and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.5)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from studies import archive
from studies.dicom.pixels import LOOK
from studies.dicom.pixels.client import PixelError
from studies.dicomweb.authority import StudyRef
from studies.dicomweb.errors import BadRequestError, NotFoundError
from studies.dicomweb.exchange import Exchange, Header
from studies.dicomweb.instances import Instances, Location
from studies.dicomweb.negotiation import accepts
from studies.dicomweb.pool import Pool
from studies.dicomweb.wado import PRIVATE, VARY_ACCEPT
from studies.services import thumbnails
from studies.services.pixels import pixel_service

JPEG, PNG = "image/jpeg", "image/png"
NOT_SHOWN = "This instance has no picture that can be shown."


class Rendered:
    """Pictures for people, made on the server."""

    def __init__(self, pictures: Pool, instances: Instances) -> None:
        self._pictures = pictures
        self._instances = instances

    async def rendered(
        self, exchange: Exchange, study: StudyRef, series_uid: str, sop_uid: str, frame: str
    ) -> None:
        """A frame as JPEG or PNG with the window of the image, at full size."""
        kind = accepts(exchange.headers.get("accept", ""), JPEG, PNG)
        location = await self._instances.find(study, series_uid, sop_uid)
        if not frame.isdecimal() or len(frame) > 9 or int(frame) < 1:
            raise BadRequestError("A frame is one number from 1.")
        if location.number_of_frames == 0:
            raise NotFoundError(NOT_SHOWN)
        if int(frame) > location.number_of_frames:
            raise NotFoundError(f"This instance has {location.number_of_frames} frames.")
        etag = f'W/"{location.etag}-r{frame}-{kind}-{LOOK}"'
        if exchange.not_modified(etag):
            await exchange.begin(304, [(b"etag", etag.encode()), PRIVATE, VARY_ACCEPT])
            await exchange.end()
            return
        picture = await self._pictures.run(_render, location, int(frame), kind)
        await self._send(exchange, kind, etag, picture)

    async def thumbnail(
        self, exchange: Exchange, study: StudyRef, series_uid: str, sop_uid: str | None
    ) -> None:
        """A small JPEG: of an instance's middle frame, or of a series' middle instance."""
        accepts(exchange.headers.get("accept", ""), JPEG)
        size = thumbnails.nearest_size(_viewport(exchange))
        if sop_uid is None:
            found = await self._instances.all_of(study, series_uid)
            location = found[len(found) // 2]
        else:
            location = await self._instances.find(study, series_uid, sop_uid)
        if location.number_of_frames == 0:
            raise NotFoundError(NOT_SHOWN)
        etag = f'W/"{location.etag}-t{size}-{LOOK}"'
        if exchange.not_modified(etag):
            await exchange.begin(304, [(b"etag", etag.encode()), PRIVATE, VARY_ACCEPT])
            await exchange.end()
            return
        picture = await self._pictures.run(_thumbnail, location, size)
        await self._send(exchange, JPEG, etag, picture)

    @staticmethod
    async def _send(exchange: Exchange, kind: str, etag: str, picture: bytes) -> None:
        headers: list[Header] = [
            (b"content-type", kind.encode()),
            (b"etag", etag.encode()),
            PRIVATE,
            VARY_ACCEPT,
        ]
        await exchange.answer(200, headers, picture)


def _viewport(exchange: Exchange) -> int:
    """The larger side that `viewport=width,height` asks for."""
    values = dict(parse_qsl(exchange.scope.get("query_string", b"").decode("latin-1")))
    sides = values.get("viewport", str(thumbnails.SIZE)).split(",")[:2]
    if not all(side.isdecimal() and len(side) <= 5 for side in sides):
        raise BadRequestError("viewport is width,height in pixels.")
    return max(int(side) for side in sides)


def _render(location: Location, frame: int, kind: str) -> bytes:
    try:
        return pixel_service().render(
            archive.local_path(location.archive_key), frame, format="png" if kind == PNG else "jpeg"
        )
    except PixelError:
        raise NotFoundError(NOT_SHOWN) from None


def _thumbnail(location: Location, size: int) -> bytes:
    try:
        return thumbnails.thumbnail(
            location.pk, location.archive_key, location.number_of_frames, size
        )
    except PixelError:
        raise NotFoundError(NOT_SHOWN) from None
