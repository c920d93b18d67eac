"""Bulk data: the URLs that metadata carries, and the values behind them (PS3.18 10.4.1.1.5)."""

from __future__ import annotations

import mmap
import re
from json import JSONDecoder

from studies import archive
from studies.dicom import header
from studies.dicom.errors import GateError
from studies.dicom.syntaxes import EXPLICIT_LE
from studies.dicomweb import caching, sending
from studies.dicomweb.authority import StudyRef
from studies.dicomweb.errors import NotAcceptableError, NotFoundError
from studies.dicomweb.exchange import NO_STORE, Exchange, Header
from studies.dicomweb.frames import Frames
from studies.dicomweb.instances import Instances, Location
from studies.dicomweb.negotiation import (
    LITTLE,
    OCTET_STREAM,
    FrameForm,
    accept_of,
    frame_forms,
)
from studies.dicomweb.parts import Parts
from studies.dicomweb.pool import Pool
from studies.dicomweb.room import room
from studies.dicomweb.sending import Read
from studies.dicomweb.transcode import Transcoder

PIXEL_DATA = "7FE00010"
PIXEL_PATHS = frozenset({PIXEL_DATA, "7FE00008", "7FE00009"})
PATH = r"[0-9A-F]{8}(?:/[1-9][0-9]{0,8}/[0-9A-F]{8}){0,16}"
RELATIVE = re.compile(r'"BulkDataURI":\s*"bulkdata/')
_decode = JSONDecoder().raw_decode


class BulkData:
    """Values of an instance of an authorised study."""

    def __init__(
        self, quick: Pool, instances: Instances, frames: Frames, transcoder: Transcoder
    ) -> None:
        self._quick = quick
        self._instances = instances
        self._frames = frames
        self._transcoder = transcoder

    async def retrieve(
        self, exchange: Exchange, study: StudyRef, series_uid: str, sop_uid: str, path: str
    ) -> None:
        """The value of a binary element; `path` leads to it through sequences."""
        location = await self._instances.find(study, series_uid, sop_uid)
        if path in PIXEL_PATHS and location.number_of_frames:
            await self._pixels(exchange, location)
            return
        if path == PIXEL_DATA:
            raise NotFoundError("This instance has no pixel data.")
        forms = frame_forms(accept_of(exchange), EXPLICIT_LE, False, False)
        form = next((one for one in forms if one.as_stored), None)
        if form is None:
            raise NotAcceptableError
        value = await self._quick.run(value_at, location.archive_key, path)
        await self._whole(
            exchange, f"{location.etag}-{path}", form, NO_STORE, len(value), _in_memory(value)
        )

    async def _pixels(self, exchange: Exchange, location: Location) -> None:
        """The value of Pixel Data: native in one part, encapsulated one part a frame."""
        count, stored = location.frames.count, location.transfer_syntax_uid
        forms = frame_forms(accept_of(exchange), stored, location.needs_decode, False)
        form = forms[0]
        if stored in LITTLE and form.as_stored:
            start = location.frames.spans(1)[0][0]
            last_offset, last_length = location.frames.spans(count)[-1]
            await self._instances.open(location)
            await self._whole(
                exchange,
                f"{location.etag}-pixels",
                form,
                caching.pixels(exchange),
                last_offset + last_length - start,
                sending.reader(self._instances, location, start),
            )
        elif count > 1 and not form.multipart and form.transfer_syntax_uid == EXPLICIT_LE:
            await self._decoded(exchange, location, form)
        else:
            await self._frames.send(exchange, location, range(1, count + 1), "all")

    async def _decoded(self, exchange: Exchange, location: Location, form: FrameForm) -> None:
        """All frames uncompressed, one after the other."""
        head = await self._transcoder.head(location, EXPLICIT_LE)
        headers: list[Header] = [
            (b"content-type", form.content_type),
            (b"content-length", b"%d" % (head.frame_bytes * head.frames)),
            caching.pixels(exchange),
            caching.VARY,
        ]
        async with room.stream():
            await exchange.begin(200, headers)
            if exchange.method != "HEAD":
                async for piece in self._transcoder.values(location, head):
                    await exchange.write(piece)
            await exchange.end()

    @staticmethod
    async def _whole(
        exchange: Exchange,
        name: str,
        form: FrameForm,
        cache_control: Header,
        length: int,
        read: Read,
    ) -> None:
        """A value in one part, or by itself and then by range where that is asked for."""
        etag = f'W/"{name}-m"' if form.multipart else f'"{name}"'
        if await caching.not_modified(exchange, etag, cache_control):
            return
        headers: list[Header] = [(b"etag", etag.encode()), cache_control, caching.VARY]
        if not form.multipart:
            headers.append((b"content-type", form.content_type))
            await sending.send_stretch(exchange, headers, etag, length, read)
            return
        parts = Parts(OCTET_STREAM)
        head = parts.head(form.content_type, first=True)
        total = len(head) + length + len(parts.tail)
        headers += [parts.header, (b"content-length", b"%d" % total)]
        async with room.stream():
            await exchange.begin(200, headers)
            if exchange.method != "HEAD":
                await exchange.write(head)
                async for piece in sending.pieces(read, length):
                    await exchange.write(piece)
            await exchange.end(parts.tail)


def _in_memory(value: bytes) -> Read:
    async def read(offset: int, length: int) -> bytes:
        return value[offset : offset + length]

    return read


def with_urls(array: str, series_url: str) -> list[str]:
    """The objects of a metadata array as text, their bulk data under the instance's own URL.

    A quotation mark inside a value is escaped in JSON, so the pattern meets keys only.
    """
    objects = []
    position = array.find("{")
    while position >= 0:
        instance, end = _decode(array, position)
        uid = instance["00080018"]["Value"][0]
        url = f'"BulkDataURI":"{series_url}/instances/{uid}/bulkdata/'
        objects.append(RELATIVE.sub(lambda _, url=url: url, array[position:end]))  # type: ignore[misc]
        position = array.find("{", end)
    return objects


def value_at(archive_key: str, path: str) -> bytes:
    """The bytes of an element such as `00281201` or `00540016/1/00181234`. NotFoundError."""
    tag, *rest = path.split("/")
    try:
        with (
            archive.local_path(archive_key).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            dataset = header.read(data)
            for number, inner in zip(rest[::2], rest[1::2], strict=True):
                dataset = dataset[int(tag, 16)].value[int(number) - 1]
                tag = inner
            value = dataset[int(tag, 16)].value
    except (KeyError, IndexError, TypeError, ValueError, GateError):
        raise NotFoundError from None
    if not isinstance(value, bytes | bytearray):
        raise NotFoundError
    return bytes(value)
