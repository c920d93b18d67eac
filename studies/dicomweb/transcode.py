"""Frames and instances in other transfer syntaxes than the stored one, made on request.

Decoding and encoding happen in killable, memory-capped processes; results are kept. An instance is
made frame by frame while it is sent, so that none is ever whole in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from studies import archive
from studies.dicom.errors import GateError
from studies.dicom.frames import Span
from studies.dicom.overlay import patch
from studies.dicom.pixels.client import InstanceHead, PixelError, PixelTimeout
from studies.dicom.syntaxes import EXPLICIT_BE
from studies.dicomweb.errors import BusyError, NotAcceptableError
from studies.dicomweb.instances import Instances, Location
from studies.dicomweb.negotiation import LITTLE
from studies.dicomweb.pool import Once, Pool
from studies.services import frame_cache
from studies.services.pixels import transcode_service

THREADS = 2
MAX_WAITING = 256
ITEM = b"\xfe\xff\x00\xe0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


class Transcoder:
    """Frames and heads of instances in any of the transfer syntaxes that are made here."""

    def __init__(self, instances: Instances) -> None:
        self._instances = instances
        self._pool = Pool(THREADS, "dataplane-transcode", MAX_WAITING)
        self._once = Once()

    def close(self) -> None:
        """Let the threads end."""
        self._pool.close()

    async def frame(
        self,
        location: Location,
        number: int,
        syntax: str,
        before: bytes = b"",
        after: bytes = b"",
    ) -> bytes:
        """Frame `number` (from 1) in `syntax`, between two other pieces.

        One seek and one read where it is stored so.

        Raises NotAcceptableError where it cannot be made, BusyError.
        """
        if _is_stored(location, syntax):
            file = await self._instances.open(location)
            spans = location.frames.spans(number)
            if len(spans) == 1:
                return await self._instances.read(file, *spans[0], before, after)
            pieces = [await self._instances.read(file, *span) for span in spans]
        else:
            pieces = [
                await self._once.run(
                    (location.sha256, number, syntax),
                    lambda: self._pool.run(_frame, location, number, syntax),
                )
            ]
        return b"".join((before, *pieces, after)) if before or after else b"".join(pieces)

    async def head(self, location: Location, syntax: str) -> InstanceHead:
        """What stands around the frames of the instance in `syntax`. Raises as `frame` does."""
        return await self._pool.run(_head, location, syntax)

    async def values(self, location: Location, head: InstanceHead) -> AsyncIterator[bytes]:
        """The value of Pixel Data, frame by frame; encapsulated with its end (PS3.5 A.4)."""
        for number in range(1, head.frames + 1):
            data = await self.frame(location, number, head.transfer_syntax_uid)
            if head.frame_bytes:
                if len(data) != head.frame_bytes:
                    raise OSError("a frame has another size than the head says")
                yield data
            else:
                padded = data + b"\0" * (len(data) % 2)
                yield ITEM + len(padded).to_bytes(4, "little") + padded
        if head.frame_bytes == 0:
            yield SEQUENCE_END

    async def pieces(self, location: Location, head: InstanceHead) -> AsyncIterator[bytes]:
        """The whole instance."""
        yield head.before
        async for piece in self.values(location, head):
            yield piece
        if head.after:
            yield head.after


def _is_stored(location: Location, syntax: str) -> bool:
    if location.needs_decode:
        return False
    return (
        syntax == location.transfer_syntax_uid
        or {
            syntax,
            location.transfer_syntax_uid,
        }
        <= LITTLE
    )


def _spans(location: Location, number: int) -> tuple[Span, ...] | None:
    """Where the decoder finds the frame; None where it must look for itself."""
    if location.needs_decode or location.transfer_syntax_uid == EXPLICIT_BE:
        return None
    return location.frames.spans(number) if location.frames.count else None


def _frame(location: Location, number: int, syntax: str) -> bytes:
    kept = frame_cache.load(location.sha256, number, syntax)
    if kept is not None:
        return kept
    try:
        data = transcode_service().frame(
            archive.local_path(location.archive_key),
            number,
            spans=_spans(location, number),
            syntax=syntax,
        )
    except PixelTimeout:
        raise BusyError from None
    except PixelError:
        raise NotAcceptableError("This frame cannot be made in that form.") from None
    frame_cache.save(location.sha256, number, syntax, data)
    return data


def _head(location: Location, syntax: str) -> InstanceHead:
    try:
        made = transcode_service().head(
            archive.local_path(location.archive_key), spans=_spans(location, 1), syntax=syntax
        )
        if location.overlay is None:
            return made
        before, rest_at = patch(made.before, location.overlay)
        return replace(made, before=before + made.before[rest_at:])
    except GateError:
        raise NotAcceptableError("The corrected form of this instance cannot be made.") from None
    except PixelTimeout:
        raise BusyError from None
    except PixelError:
        raise NotAcceptableError("This instance cannot be made in that transfer syntax.") from None
