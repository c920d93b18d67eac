"""Rendered resources and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4).

Study, series and instance are every frame of theirs, in parts of multipart/related. Where one part
is asked for, an image of several frames is its first frame, or with image/gif all of them, moving.
A presentation state is the images that it is about, shown with it.
"""

from __future__ import annotations

from collections.abc import Iterable

from studies.dicom.pixels import LOOK
from studies.dicom.pixels.client import PixelError
from studies.dicom.pixels.rendering import Rendering
from studies.dicomweb import caching, icons, pictures, rendering_parameters
from studies.dicomweb.authority import StudyRef
from studies.dicomweb.documents import Documents
from studies.dicomweb.errors import NotAcceptableError, NotFoundError
from studies.dicomweb.exchange import NO_STORE, Exchange
from studies.dicomweb.frame_list import frame_numbers
from studies.dicomweb.instances import Instances, Location
from studies.dicomweb.negotiation import accept_of
from studies.dicomweb.parts import Parts
from studies.dicomweb.picture_forms import (
    GIF,
    JPEG,
    PICTURES,
    THUMBNAILS,
    PictureForm,
    picture_form,
)
from studies.dicomweb.pictures import NOT_SHOWN, Maker, Picture
from studies.dicomweb.pool import Pool
from studies.services import thumbnails


class Rendered:
    """Pictures for people, made on the server."""

    def __init__(self, quick: Pool, slow: Pool, instances: Instances) -> None:
        self._quick = quick
        self._slow = slow
        self._instances = instances
        self._maker = Maker(quick, slow, instances)
        self._documents = Documents(quick, slow)

    async def rendered(
        self,
        exchange: Exchange,
        study: StudyRef,
        series_uid: str | None,
        sop_uid: str | None,
        frames: str | None = None,
    ) -> None:
        """Pictures of a study, series, instance, or frames such as `1,5`."""
        values = rendering_parameters.read(exchange.scope.get("query_string", b""))
        accept = accept_of(exchange)
        if series_uid is None or sop_uid is None:
            found = await self._collection(study, series_uid)
            form = picture_form(accept, PICTURES, len(found) > 1)
            of_state = all(one.state is not None for one in found)
        else:
            location = await self._instances.find(study, series_uid, sop_uid)
            of_state = pictures.is_state(location)
            if not of_state and location.number_of_frames == 0:
                await self._documents.send(exchange, location, accept)
                return
            found, form = await self._instance(study, location, frames, accept)
        wanted = rendering_parameters.rendering(values, form.media_type, of_state=of_state)
        if form.multipart:
            await self._send_parts(exchange, study, found, wanted, form)
        else:
            await self.send_picture(exchange, found[0], wanted, form.media_type)

    async def _collection(self, study: StudyRef, series_uid: str | None) -> list[Picture]:
        """Every picture of a study or series; what has none is left out. NotFoundError for none."""
        locations = await self._instances.all_of(study, series_uid)
        found = pictures.all_frames(locations)
        for location in filter(pictures.is_state, locations):
            try:
                found += await self.of_state(study, location)
            except NotFoundError:
                continue
        if not found:
            raise NotFoundError("There is no picture here that can be shown.")
        return found

    async def _instance(
        self, study: StudyRef, location: Location, frames: str | None, accept: str
    ) -> tuple[list[Picture], PictureForm]:
        if pictures.is_state(location):
            if frames is not None:
                raise NotFoundError("This instance has no frames.")
            found = await self.of_state(study, location)
            return found, picture_form(accept, PICTURES, len(found) > 1)
        if frames is not None:
            numbers = frame_numbers(frames, location.number_of_frames, NOT_SHOWN)
            found = [Picture(location, (number,)) for number in numbers]
            return found, picture_form(accept, PICTURES, len(found) > 1)
        form = picture_form(accept, PICTURES, False)
        if form.multipart:
            return pictures.all_frames([location]), form
        if form.media_type == GIF:
            return [pictures.moving(location)], form
        return [Picture(location, (1,))], form

    async def _send_parts(
        self,
        exchange: Exchange,
        study: StudyRef,
        found: list[Picture],
        wanted: Rendering,
        form: PictureForm,
    ) -> None:
        """One part a picture. A picture that cannot be made is a part of words, so that it is
        missed; where none can be made, so is the answer."""
        parts = Parts(form.media_type)
        waiting: list[bytes] = []
        for number, picture in enumerate(found):
            content_type = form.media_type
            try:
                body = await self._maker.made(picture, wanted)
            except NotAcceptableError as error:
                if not exchange.started and number == len(found) - 1:
                    raise
                content_type, body = "text/plain; charset=utf-8", f"{error.words}\n".encode()
            place = f"{content_type}\r\nContent-Location: {_address(study, exchange, picture)}"
            waiting += [parts.head(place.encode(), first=number == 0), body]
            if content_type != form.media_type and not exchange.started:
                continue
            if not exchange.started:
                await exchange.begin(200, [parts.header, NO_STORE, caching.VARY])
            if exchange.method == "HEAD":
                break
            await exchange.write(b"".join(waiting))
            waiting.clear()
        await exchange.end(b"".join(waiting) + parts.tail)

    async def of_state(self, study: StudyRef, state: Location) -> list[Picture]:
        """The frames that a presentation state is about. NotFoundError for none."""
        return await pictures.of_state(self._quick, study, state)

    async def send_picture(
        self,
        exchange: Exchange,
        picture: Picture,
        wanted: Rendering,
        media_type: str,
    ) -> None:
        """A picture in one part, or 304."""
        path = picture.cache_file(wanted)
        etag = f'W/"{path.stem}"'
        if not await caching.not_modified(exchange, etag, caching.pixels(exchange)):
            await _send(exchange, media_type, etag, await self._maker.made(picture, wanted, path))

    async def send_document(self, exchange: Exchange, location: Location, accept: str) -> None:
        """A document as it is rendered."""
        await self._documents.send(exchange, location, accept)

    # Thumbnails

    async def thumbnail(
        self,
        exchange: Exchange,
        study: StudyRef,
        series_uid: str | None,
        sop_uid: str | None,
        frame: str | None = None,
    ) -> None:
        """A small JPEG that fits into the viewport: of a frame, of an instance's middle frame, or
        of the picture that stands for a series or study; an icon where there are documents only."""
        values = rendering_parameters.read(exchange.scope.get("query_string", b""))
        accept = accept_of(exchange)
        form = picture_form(accept, THUMBNAILS, False)
        if form.multipart:
            raise NotAcceptableError
        room = rendering_parameters.size_of(values, thumbnails.SIZE)
        if series_uid is not None and sop_uid is not None:
            location = await self._instances.find(study, series_uid, sop_uid)
            if location.number_of_frames == 0:
                await self._icon(exchange, [] if frame else [location], room)
                return
            if frame is None:
                number = thumbnails.middle(location.number_of_frames)
            else:
                (number,) = frame_numbers(frame, location.number_of_frames, NOT_SHOWN)[:1]
            shown = thumbnails.Shown(location.pk, location.archive_key, number)
            etag = location.etag
        else:
            found = await self._quick.run(thumbnails.representative, study.pk, series_uid)
            if found is None:
                await self._icon(exchange, await self._instances.all_of(study, series_uid), room)
                return
            shown, etag = found
        etag = f'W/"{etag[:32]}-t{shown.frame}-{room[0]}x{room[1]}-{LOOK}"'
        if await caching.not_modified(exchange, etag, caching.pixels(exchange)):
            return
        picture = await self._quick.run(thumbnails.kept, shown, room)
        if picture is None:
            picture = await self._slow.run(_thumbnail, shown, room)
        await _send(exchange, JPEG, etag, picture)

    async def _icon(
        self, exchange: Exchange, locations: Iterable[Location], room: tuple[int, int]
    ) -> None:
        """The icon of the first document. NotFoundError where there is none."""
        label = next(filter(None, map(icons.label_of, locations)), "")
        if not label:
            raise NotFoundError(NOT_SHOWN)
        picture = await self._quick.run(icons.icon, label, room)
        await _send(exchange, JPEG, f'W/"icon-{label}-{min(room)}-{LOOK}"', picture)


async def _send(exchange: Exchange, kind: str, etag: str, body: bytes) -> None:
    headers = [
        (b"content-type", kind.encode()),
        (b"etag", etag.encode()),
        caching.pixels(exchange),
        caching.VARY,
    ]
    await exchange.answer(200, headers, body)


def _address(study: StudyRef, exchange: Exchange, picture: Picture) -> str:
    """Where one picture of several is to be had by itself."""
    root = exchange.path.partition("/studies/")[0]
    below = f"{root}/studies/{study.study_instance_uid}"
    series, instance = picture.location.series_instance_uid, picture.location.sop_instance_uid
    return f"{below}/series/{series}/instances/{instance}/frames/{picture.frames[0]}/rendered"


def _thumbnail(shown: thumbnails.Shown, room: tuple[int, int]) -> bytes:
    try:
        return thumbnails.make(shown, room)
    except PixelError as error:
        raise pictures.refusal(error) from None
