"""WADO-RS: frames, as stored or in another transfer syntax (PS3.18 10.4.1.1.6)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from studies.dicomweb import caching
from studies.dicomweb.authority import StudyRef
from studies.dicomweb.errors import NotAcceptableError
from studies.dicomweb.exchange import Exchange, Header
from studies.dicomweb.frame_list import frame_numbers
from studies.dicomweb.instances import Instances, Location
from studies.dicomweb.negotiation import FrameForm, accept_of, frame_forms
from studies.dicomweb.parts import Parts
from studies.dicomweb.room import room
from studies.dicomweb.sending import send_bytes
from studies.dicomweb.transcode import Transcoder
from studies.services import frame_cache


class Frames:
    """Frames of an instance of an authorised study."""

    def __init__(self, instances: Instances, transcoder: Transcoder) -> None:
        self._instances = instances
        self._transcoder = transcoder

    async def retrieve(
        self, exchange: Exchange, study: StudyRef, series_uid: str, sop_uid: str, listed: str
    ) -> None:
        """The frames of a list such as `1,5`, in its order."""
        location = await self._instances.find(study, series_uid, sop_uid)
        numbers = frame_numbers(listed, location.frames.count, "This instance has no frames.")
        await self.send(exchange, location, numbers, listed)

    async def send(
        self, exchange: Exchange, location: Location, numbers: Sequence[int], name: str
    ) -> None:
        """The first form that suits the client and can be made. Raises NotAcceptableError."""
        forms = frame_forms(
            accept_of(exchange),
            location.transfer_syntax_uid,
            location.needs_decode,
            len(numbers) > 1,
        )
        problem = NotAcceptableError()
        for form in forms:
            try:
                await self._send_as(exchange, location, numbers, name, form)
            except NotAcceptableError as error:
                if exchange.started:
                    raise
                problem = error
            else:
                return
        raise problem

    async def _send_as(
        self,
        exchange: Exchange,
        location: Location,
        numbers: Sequence[int],
        name: str,
        form: FrameForm,
    ) -> None:
        etag = _etag(location, name, form)
        cache_control = caching.pixels(exchange)
        if await caching.not_modified(exchange, etag, cache_control):
            return
        headers: list[Header] = [(b"etag", etag.encode()), cache_control, caching.VARY]
        if len(numbers) > 1:
            await self._send_many(exchange, location, numbers, form, headers)
            return
        before = after = b""
        if form.multipart:
            parts = Parts(form.media_type)
            before, after = parts.head(form.content_type, first=True), parts.tail
            headers.append(parts.header)
        else:
            headers.append((b"content-type", form.content_type))
        wanted = (location, numbers[0], form.transfer_syntax_uid, before, after)
        made = None if form.as_stored else await self._transcoder.frame(*wanted)
        size = _stored_size(location, numbers[0]) if made is None else len(made)
        await room.admit(size)
        try:
            data = await self._transcoder.frame(*wanted) if made is None else made
            await send_bytes(exchange, headers, etag, data, ranged=not form.multipart)
        except BaseException:
            room.released(size)
            raise
        room.sent(exchange.send, size)

    async def _send_many(
        self,
        exchange: Exchange,
        location: Location,
        numbers: Sequence[int],
        form: FrameForm,
        headers: list[Header],
    ) -> None:
        parts = Parts(form.media_type)
        headers.append(parts.header)
        if form.as_stored:
            head = len(parts.head(form.content_type, first=True))
            sizes = sum(_stored_size(location, number) for number in numbers)
            total = sizes + len(numbers) * (head + 2) - 2 + len(parts.tail)
            headers.append((b"content-length", b"%d" % total))
        syntax = form.transfer_syntax_uid
        async with room.stream():
            data = await self._transcoder.frame(location, numbers[0], syntax)
            await exchange.begin(200, headers)
            if exchange.method != "HEAD":
                await exchange.write(parts.head(form.content_type, first=True) + data)
                for number in numbers[1:]:
                    data = await self._transcoder.frame(location, number, syntax)
                    await exchange.write(parts.head(form.content_type, first=False) + data)
            await exchange.end(parts.tail)


def _stored_size(location: Location, number: int) -> int:
    return sum(length for _, length in location.frames.spans(number))


def _etag(location: Location, name: str, form: FrameForm) -> str:
    """Strong for one part, whose bytes are always the same; a multipart's boundary differs."""
    made = "" if form.as_stored else f"-v{frame_cache.VERSION}"
    name = name.replace(",", ".")
    value = f"{location.etag}-{name}-{form.media_type}-{form.transfer_syntax_uid}{made}"
    if len(value) > 400:
        value = hashlib.blake2b(value.encode(), digest_size=16).hexdigest()
    return f'W/"{value}"' if form.multipart else f'"{value}"'
