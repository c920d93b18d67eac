"""WADO-RS: whole instances of a study, a series or one by itself (PS3.18 10.4.1.1.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from studies.dicom.pixels.client import InstanceHead
from studies.dicom.syntaxes import EXPLICIT_LE
from studies.dicomweb import archives, caching, sending
from studies.dicomweb.authority import StudyRef
from studies.dicomweb.errors import NotAcceptableError
from studies.dicomweb.exchange import NO_STORE, Exchange, Header
from studies.dicomweb.instances import Instances, Location, OpenFile
from studies.dicomweb.negotiation import (
    DICOM,
    MADE,
    MULTIPART,
    ZIP,
    InstanceForm,
    accept_of,
    instance_forms,
)
from studies.dicomweb.parts import Parts
from studies.dicomweb.pool import Pool
from studies.dicomweb.room import room
from studies.dicomweb.transcode import Transcoder
from studies.services import frame_cache

ZIP_HEADERS: tuple[Header, ...] = (
    (b"content-type", ZIP.encode()),
    (b"content-disposition", b'attachment; filename="images.zip"'),
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An instance as it goes out: the file as it is, or with the head of another."""

    location: Location
    head: InstanceHead | None

    @property
    def content_type(self) -> bytes:
        stored = self.location.transfer_syntax_uid
        syntax = stored if self.head is None else self.head.transfer_syntax_uid
        return f"{DICOM}; transfer-syntax={syntax}".encode()


class Wado:
    """Whole instances. Every method has an authorised study in hand."""

    def __init__(self, quick: Pool, instances: Instances, transcoder: Transcoder) -> None:
        self._quick = quick
        self._instances = instances
        self._transcoder = transcoder

    async def instances(
        self, exchange: Exchange, study: StudyRef, series_uid: str | None, sop_uid: str | None
    ) -> None:
        """The instances in the first form that suits the client and can be made.

        Among many, what cannot be made in the transfer syntax that was asked for goes as it is
        stored and says so; the first image decides whether the form can be made at all.
        """
        many = sop_uid is None or series_uid is None
        forms = instance_forms(accept_of(exchange), many)
        if sop_uid is not None and series_uid is not None:
            found = [await self._instances.find(study, series_uid, sop_uid)]
        else:
            found = await self._instances.all_of(study, series_uid)
        problem = NotAcceptableError()
        for form in forms:
            try:
                await self._check(found, form)
            except NotAcceptableError as error:
                problem = error
                continue
            if form.package == ZIP:
                await self._send_zip(exchange, found, form)
            elif many:
                await self._send_many(exchange, found, form)
            else:
                await self._send_one(exchange, found[0], form)
            return
        raise problem

    async def _check(self, found: Sequence[Location], form: InstanceForm) -> None:
        """Whether the form can be made, judged by the first image that would have to be."""
        for location in found:
            syntax = form.syntax_of(location.transfer_syntax_uid)
            if syntax == location.transfer_syntax_uid:
                continue
            if syntax not in MADE:
                raise NotAcceptableError
            if location.number_of_frames:
                await self._outgoing(location, form)
                return

    async def _outgoing(self, location: Location, form: InstanceForm) -> Outgoing:
        """Raises NotAcceptableError."""
        syntax = form.syntax_of(location.transfer_syntax_uid)
        if location.number_of_frames == 0 and form.transfer_syntax_uid:
            syntax = EXPLICIT_LE  # what has no pixels is compressed by none
        if syntax == location.transfer_syntax_uid:
            return Outgoing(location, None)
        return Outgoing(location, await self._transcoder.head(location, syntax))

    async def _outgoing_anyhow(self, location: Location, form: InstanceForm) -> Outgoing:
        try:
            return await self._outgoing(location, form)
        except NotAcceptableError:
            return Outgoing(location, None)

    async def _pieces(self, one: Outgoing) -> AsyncIterator[bytes]:
        location = one.location
        if one.head is not None:
            async for piece in self._transcoder.pieces(location, one.head):
                yield piece
            return
        await self._opened(location)
        read = sending.reader(self._instances, location)
        async for piece in sending.pieces(read, location.file_size):
            yield piece

    async def _opened(self, location: Location) -> OpenFile:
        file = await self._instances.open(location)
        if file.size != location.file_size:
            raise OSError("the archive's file has another size than its row says")
        return file

    # One instance

    async def _send_one(self, exchange: Exchange, location: Location, form: InstanceForm) -> None:
        one = await self._outgoing(location, form)
        multipart = form.package == MULTIPART
        made = "" if one.head is None else f"-{form.transfer_syntax_uid}-v{frame_cache.VERSION}"
        etag = f'W/"{location.etag}-m{made}"' if multipart else f'"{location.etag}-s{made}"'
        cache_control = caching.pixels(exchange)
        if await caching.not_modified(exchange, etag, cache_control):
            return
        headers: list[Header] = [(b"etag", etag.encode()), cache_control, caching.VARY]
        if multipart:
            await self._send_parts(exchange, headers, [location], form)
            return
        headers.append((b"content-type", one.content_type))
        if one.head is None:
            await self._opened(location)
            read = sending.reader(self._instances, location)
            await sending.send_stretch(exchange, headers, etag, location.file_size, read)
            return
        async with room.stream():
            await exchange.begin(200, headers)
            if exchange.method != "HEAD":
                async for piece in self._pieces(one):
                    await exchange.write(piece)
            await exchange.end()

    # Many in one body

    async def _send_many(
        self, exchange: Exchange, found: Sequence[Location], form: InstanceForm
    ) -> None:
        await self._send_parts(exchange, [NO_STORE, caching.VARY], found, form)

    async def _send_parts(
        self,
        exchange: Exchange,
        headers: list[Header],
        found: Sequence[Location],
        form: InstanceForm,
    ) -> None:
        parts = Parts(DICOM)
        if not form.transfer_syntax_uid:
            total = len(parts.tail) + sum(one.file_size for one in found)
            for place, location in enumerate(found):
                content_type = Outgoing(location, None).content_type
                total += len(parts.head(content_type, first=place == 0))
            headers.append((b"content-length", b"%d" % total))
            await self._opened(found[0])
        async with room.stream():
            await exchange.begin(200, [*headers, parts.header])
            if exchange.method != "HEAD":
                for place, location in enumerate(found):
                    one = await self._outgoing_anyhow(location, form)
                    await exchange.write(parts.head(one.content_type, first=place == 0))
                    async for piece in self._pieces(one):
                        await exchange.write(piece)
            await exchange.end(parts.tail)

    async def _send_zip(
        self, exchange: Exchange, found: Sequence[Location], form: InstanceForm
    ) -> None:
        names = _names(found)
        headers: list[Header] = [*ZIP_HEADERS, NO_STORE, caching.VARY]
        if not form.transfer_syntax_uid:
            sizes = [(name, one.file_size) for name, one in zip(names, found, strict=True)]
            headers.append((b"content-length", b"%d" % archives.length(sizes)))
            await self._opened(found[0])
        async with room.stream():
            await exchange.begin(200, headers)
            if exchange.method == "HEAD":
                await exchange.end()
                return
            writer = archives.ZipWriter()
            for name, location in zip(names, found, strict=True):
                one = await self._outgoing_anyhow(location, form)
                if one.head is None:
                    file = await self._opened(location)
                    crc = await self._quick.run(_checksum, file)
                    await exchange.write(writer.begin(name, size=file.size, crc=crc))
                    async for piece in self._pieces(one):
                        await exchange.write(piece)
                else:
                    await exchange.write(writer.begin_unknown(name))
                    async for piece in self._pieces(one):
                        writer.add(piece)
                        await exchange.write(piece)
                    await exchange.write(writer.finish())
            await exchange.end(writer.end())


def _names(found: Sequence[Location]) -> list[str]:
    """`series-001/00001.dcm`: numbers of ours only, nothing that a file says."""
    series: dict[int, int] = {}
    counts: dict[int, int] = {}
    names = []
    for one in found:
        number = series.setdefault(one.series_pk, len(series) + 1)
        counts[number] = counts.get(number, 0) + 1
        names.append(f"series-{number:03}/{counts[number]:05}.dcm")
    return names


def _checksum(file: OpenFile) -> int:
    crc = 0
    for at in range(0, file.size, 1 << 20):
        crc = crc32(file.read(at, min(1 << 20, file.size - at)), crc)
    return crc
