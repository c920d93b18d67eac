"""WADO-RS: instances, frames and bulk data as they are stored (PS3.18 10.4)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Sequence

from studies import archive
from studies.dicom.pixels.client import PixelError
from studies.dicom.syntaxes import EXPLICIT_LE
from studies.dicomweb.authority import StudyRef
from studies.dicomweb.bulkdata import PIXEL_DATA, value_at
from studies.dicomweb.errors import BadRequestError, NotFoundError
from studies.dicomweb.exchange import NO_STORE, Exchange, Header
from studies.dicomweb.instances import Instances, Location
from studies.dicomweb.negotiation import (
    DICOM,
    NATIVE,
    OCTET_STREAM,
    FrameForm,
    frame_form,
    instance_is_multipart,
)
from studies.dicomweb.pool import Pool
from studies.services.pixels import pixel_service

CHUNK = 1 << 20
MAX_FRAMES_LISTED = 10_000
FRAME_LIST = re.compile(r"[1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8})*")
PRIVATE: Header = (b"cache-control", b"private, no-cache")
VARY_ACCEPT: Header = (b"vary", b"accept")


def _boundary() -> bytes:
    return secrets.token_hex(16).encode()


def _multipart(part_type: str, boundary: bytes) -> Header:
    value = b'multipart/related; type="%s"; boundary=%s' % (part_type.encode(), boundary)
    return b"content-type", value


class Wado:
    """Retrieval. Every method has an authorised study in hand."""

    def __init__(self, quick: Pool, pictures: Pool, instances: Instances) -> None:
        self._quick = quick
        self._pictures = pictures
        self._instances = instances

    @staticmethod
    async def _not_modified(exchange: Exchange, etag: str, caching: Header) -> None:
        await exchange.begin(304, [(b"etag", etag.encode()), caching, VARY_ACCEPT])
        await exchange.end()

    # Instances

    async def instances(
        self, exchange: Exchange, study: StudyRef, series_uid: str | None, sop_uid: str | None
    ) -> None:
        """Whole files of a study, series or instance, as received (PS3.18 10.4.1.1.1)."""
        accept = exchange.headers.get("accept", "")
        if sop_uid is not None and series_uid is not None:
            found = [await self._instances.find(study, series_uid, sop_uid)]
        else:
            found = await self._instances.all_of(study, series_uid)
        many = sop_uid is None
        multipart = all(
            instance_is_multipart(accept, one.transfer_syntax_uid, many) for one in found
        )
        if many:
            await self._stream_all(exchange, found)
            return
        location = found[0]
        etag = f'W/"{location.etag}-{"m" if multipart else "s"}"'
        if exchange.not_modified(etag):
            await self._not_modified(exchange, etag, PRIVATE)
            return
        before = after = b""
        headers: list[Header] = [(b"etag", etag.encode()), PRIVATE, VARY_ACCEPT]
        if multipart:
            boundary = _boundary()
            before, after = _dicom_part(boundary, location), b"\r\n--%s--\r\n" % boundary
            headers.append(_multipart(DICOM, boundary))
        else:
            headers.append((b"content-type", _dicom_type(location)))
        length = len(before) + location.file_size + len(after)
        headers.append((b"content-length", b"%d" % length))
        file = await self._instances.open(location)
        if file.size != location.file_size:
            raise OSError("the archive's file has another size than its row says")
        await exchange.begin(200, headers)
        if exchange.method != "HEAD":
            if before:
                await exchange.write(before)
            async for chunk in self._pieces(location, 0, location.file_size):
                await exchange.write(chunk)
        await exchange.end(after)

    async def _stream_all(self, exchange: Exchange, found: Sequence[Location]) -> None:
        boundary = _boundary()
        await exchange.begin(200, [_multipart(DICOM, boundary), NO_STORE, VARY_ACCEPT])
        if exchange.method != "HEAD":
            for number, location in enumerate(found):
                await exchange.write((b"\r\n" if number else b"") + _dicom_part(boundary, location))
                async for chunk in self._pieces(location, 0, location.file_size):
                    await exchange.write(chunk)
        await exchange.end(b"\r\n--%s--\r\n" % boundary)

    async def _pieces(self, location: Location, offset: int, length: int) -> AsyncIterator[bytes]:
        file = await self._instances.open(location)
        end = offset + length
        while offset < end:
            size = min(CHUNK, end - offset)
            yield await self._instances.read(file, offset, size)
            offset += size

    # Frames

    async def frames(
        self, exchange: Exchange, study: StudyRef, series_uid: str, sop_uid: str, listed: str
    ) -> None:
        """The frames of a list such as `1,5` (PS3.18 10.4.1.1.6)."""
        location = await self._instances.find(study, series_uid, sop_uid)
        numbers = _frame_numbers(listed)
        index = location.frames
        if index.count == 0:
            raise NotFoundError("This instance has no frames.")
        if max(numbers) > index.count:
            raise NotFoundError(f"This instance has {index.count} frames.")
        form = frame_form(
            exchange.headers.get("accept", ""),
            location.transfer_syntax_uid,
            location.needs_decode,
            len(numbers) > 1,
        )
        etag = f'W/"{location.etag}-{listed}-{form.media_type}-{form.transfer_syntax_uid}"'
        if len(etag) > 400:
            etag = f'W/"{hashlib.blake2b(etag.encode(), digest_size=16).hexdigest()}"'
        if exchange.not_modified(etag):
            await self._not_modified(exchange, etag, PRIVATE)
            return
        caching: list[Header] = [(b"etag", etag.encode()), PRIVATE, VARY_ACCEPT]
        if not form.multipart:
            data = await self._frame(location, numbers[0], form)
            await exchange.answer(200, [(b"content-type", form.content_type), *caching], data)
            return
        boundary = _boundary()
        headers = [_multipart(form.media_type, boundary), *caching]
        head = b"--%s\r\nContent-Type: %s\r\n\r\n" % (boundary, form.content_type)
        tail = b"\r\n--%s--\r\n" % boundary
        if len(numbers) == 1:
            data = await self._frame(location, numbers[0], form)
            await exchange.answer(200, headers, b"".join((head, data, tail)))
            return
        if not form.decode:
            sizes = sum(length for n in numbers for _, length in index.spans(n))
            total = sizes + len(numbers) * (len(head) + 2) - 2 + len(tail)
            headers.append((b"content-length", b"%d" % total))
        await exchange.begin(200, headers)
        if exchange.method != "HEAD":
            for place, number in enumerate(numbers):
                data = await self._frame(location, number, form)
                await exchange.write(b"".join((b"\r\n" if place else b"", head, data)))
        await exchange.end(tail)

    async def _frame(self, location: Location, number: int, form: FrameForm) -> bytes:
        """One frame's bytes, as stored or decoded. Numbers count from 1."""
        if form.decode:
            return await self._pictures.run(_decoded_frame, location.archive_key, number)
        file = await self._instances.open(location)
        spans = location.frames.spans(number)
        if len(spans) == 1:
            return await self._instances.read(file, *spans[0])
        return b"".join([await self._instances.read(file, *span) for span in spans])

    # Bulk data

    async def bulk_data(
        self, exchange: Exchange, study: StudyRef, series_uid: str, sop_uid: str, path: str
    ) -> None:
        """The value of a binary element; `path` leads to it through sequences."""
        if path == PIXEL_DATA:
            await self._pixel_data(exchange, study, series_uid, sop_uid)
            return
        location = await self._instances.find(study, series_uid, sop_uid)
        form = frame_form(exchange.headers.get("accept", ""), EXPLICIT_LE, False, False)
        value = await self._quick.run(value_at, location.archive_key, path)
        if not form.multipart:
            await exchange.answer(
                200, [(b"content-type", OCTET_STREAM.encode()), PRIVATE, VARY_ACCEPT], value
            )
            return
        boundary = _boundary()
        head = b"--%s\r\nContent-Type: %s\r\n\r\n" % (boundary, OCTET_STREAM.encode())
        body = b"".join((head, value, b"\r\n--%s--\r\n" % boundary))
        headers = [_multipart(OCTET_STREAM, boundary), PRIVATE, VARY_ACCEPT]
        await exchange.answer(200, headers, body)

    async def _pixel_data(
        self, exchange: Exchange, study: StudyRef, series_uid: str, sop_uid: str
    ) -> None:
        """The value of Pixel Data: native in one part, encapsulated one part a frame."""
        location = await self._instances.find(study, series_uid, sop_uid)
        index = location.frames
        if index.count == 0:
            raise NotFoundError("This instance has no pixel data.")
        if location.transfer_syntax_uid not in NATIVE or location.needs_decode:
            listed = ",".join(str(n) for n in range(1, index.count + 1))
            await self.frames(exchange, study, series_uid, sop_uid, listed)
            return
        form = frame_form(
            exchange.headers.get("accept", ""), location.transfer_syntax_uid, False, False
        )
        start = index.spans(1)[0][0]
        last_offset, last_length = index.spans(index.count)[-1]
        length = last_offset + last_length - start
        before = after = b""
        headers: list[Header] = [PRIVATE, VARY_ACCEPT]
        if form.multipart:
            boundary = _boundary()
            before = b"--%s\r\nContent-Type: %s\r\n\r\n" % (boundary, form.content_type)
            after = b"\r\n--%s--\r\n" % boundary
            headers.append(_multipart(OCTET_STREAM, boundary))
        else:
            headers.append((b"content-type", form.content_type))
        headers.append((b"content-length", b"%d" % (len(before) + length + len(after))))
        await self._instances.open(location)
        await exchange.begin(200, headers)
        if exchange.method != "HEAD":
            if before:
                await exchange.write(before)
            async for chunk in self._pieces(location, start, length):
                await exchange.write(chunk)
        await exchange.end(after)


def _frame_numbers(listed: str) -> list[int]:
    if FRAME_LIST.fullmatch(listed) is None:
        raise BadRequestError("A frame list is numbers from 1 with commas: 1,2,5.")
    numbers = [int(number) for number in listed.split(",")]
    if len(numbers) > MAX_FRAMES_LISTED:
        raise BadRequestError("The frame list is too long.")
    return numbers


def _dicom_type(location: Location) -> bytes:
    return f"{DICOM}; transfer-syntax={location.transfer_syntax_uid}".encode()


def _dicom_part(boundary: bytes, location: Location) -> bytes:
    return b"--%s\r\nContent-Type: %s\r\n\r\n" % (boundary, _dicom_type(location))


def _decoded_frame(archive_key: str, frame: int) -> bytes:
    try:
        return pixel_service().frame(archive.local_path(archive_key), frame)
    except PixelError:
        raise NotFoundError("This frame cannot be decoded.") from None
