"""WADO-RS: whole instances of a study, a series or one by itself (PS3.18 10.4.1.1.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from studies.archive.opened import OpenFile, RemoteFile
from studies.corrections import files
from studies.dicom.errors import GateError
from studies.dicom.overlay import Overlay, Patched
from studies.dicom.pixels.client import InstanceHead
from studies.dicom.syntaxes import EXPLICIT_LE
from studies.dicomweb import archives, caching, sending
from studies.dicomweb.authority import StudyRef
from studies.dicomweb.errors import NotAcceptableError
from studies.dicomweb.exchange import NO_STORE, Exchange, Header
from studies.dicomweb.instances import Instances, Location
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


STORED = Patched(b"", 0)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An instance as it goes out: the file as it is, or with the head of another."""

    location: Location
    head: InstanceHead | None
    patched: Patched = STORED
    """Where it is corrected and goes out as encoded: what stands in the file's place."""

    @property
    def size(self) -> int:
        """Bytes, where it goes out as encoded."""
        return self.patched.size(self.location.file_size)

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
            return await self._as_encoded(location)
        return Outgoing(location, await self._transcoder.head(location, syntax))

    async def _as_encoded(self, location: Location) -> Outgoing:
        """The stored encoding, corrected. Raises OSError where it cannot be: never uncorrected."""
        if location.overlay is None:
            return Outgoing(location, None)
        found = await self._quick.run(_patched, location.archive_key, location.overlay)
        return Outgoing(location, None, found)

    async def _outgoing_anyhow(self, location: Location, form: InstanceForm) -> Outgoing:
        try:
            return await self._outgoing(location, form)
        except NotAcceptableError:
            return await self._as_encoded(location)

    async def _pieces(self, one: Outgoing) -> AsyncIterator[bytes]:
        location = one.location
        if one.head is not None:
            async for piece in self._transcoder.pieces(location, one.head):
                yield piece
            return
        await self._opened(location)
        read = self._reader(one)
        async for piece in sending.pieces(read, one.size):
            yield piece

    def _reader(self, one: Outgoing) -> sending.Read:
        """Reads the bytes as they go out."""
        before, rest_at = one.patched
        stored = sending.reader(self._instances, one.location, rest_at)
        if not before:
            return stored

        async def read(at: int, length: int) -> bytes:
            head = before[at : at + length]
            if len(head) == length:
                return head
            return head + await stored(max(0, at - len(before)), length - len(head))

        return read

    async def _opened(self, location: Location) -> OpenFile | RemoteFile:
        file = await self._instances.open(location)
        if file.size != location.file_size:
            raise OSError("the archive's file has another size than its row says")
        return file

    # One instance

    async def _send_one(self, exchange: Exchange, location: Location, form: InstanceForm) -> None:
        one = await self._outgoing(location, form)
        multipart = form.package == MULTIPART
        made = "" if one.head is None else f"-{form.transfer_syntax_uid}-v{frame_cache.VERSION}"
        own = location.header_etag
        etag = f'W/"{own}-m{made}"' if multipart else f'"{own}-s{made}"'
        cache_control = caching.INSTANCE
        if await caching.not_modified(exchange, etag, cache_control):
            return
        headers: list[Header] = [(b"etag", etag.encode()), cache_control, caching.VARY]
        if multipart:
            await self._send_parts(exchange, headers, [location], form)
            return
        headers.append((b"content-type", one.content_type))
        if one.head is None:
            await self._opened(location)
            await sending.send_stretch(exchange, headers, etag, one.size, self._reader(one))
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
        if not form.transfer_syntax_uid and not any(one.overlay for one in found):
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
        if not form.transfer_syntax_uid and not any(one.overlay for one in found):
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
                if one.head is None and one.patched is STORED:
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


def _patched(archive_key: str, overlay: Overlay) -> Patched:
    try:
        found = files.patched(archive_key, overlay)
    except GateError:
        raise OSError("the corrected form of a file cannot be made") from None
    return found if found.before else STORED


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


def _checksum(file: OpenFile | RemoteFile) -> int:
    crc = 0
    for at in range(0, file.size, 1 << 20):
        crc = crc32(file.read(at, min(1 << 20, file.size - at)), crc)
    return crc
