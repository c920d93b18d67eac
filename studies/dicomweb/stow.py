"""STOW-RS (PS3.18 10.5): instances stored as they stream in, whatever the size of the request."""

from __future__ import annotations

from dataclasses import dataclass

from pacs.accounts.models import Scope, Site
from studies.archive import room
from studies.dicomweb import csrf
from studies.dicomweb.authority import Identity, dicomweb_root
from studies.dicomweb.destination import audited_destination
from studies.dicomweb.errors import (
    BadRequestError,
    BusyError,
    MediaTypeError,
    StorageFullError,
    TooLargeError,
)
from studies.dicomweb.exchange import NO_STORE, Exchange
from studies.dicomweb.intake import Intake
from studies.dicomweb.multipart import PLAIN, Mark, Parser, PartBegin, content_type
from studies.dicomweb.negotiation import DICOM, DICOM_JSON, accepts
from studies.dicomweb.pool import Pool
from studies.dicomweb.rows import Rows
from studies.dicomweb.spool import Spool
from studies.dicomweb.store_response import body_of, status_of
from studies.dicomweb.stow_models import ModelParts

MAX_PARTS = 100_000


@dataclass(frozen=True, slots=True)
class Form:
    """How a request's body is made. `boundary` is None where it is one file by itself."""

    kind: str
    boundary: str | None

    @classmethod
    def of(cls, headers: dict[str, str]) -> Form:
        """Raises MediaTypeError, or BadRequestError for a multipart without its parameters."""
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise MediaTypeError("Send the body without a Content-Encoding.")
        media_type, parameters = content_type(headers.get("content-type", ""))
        if media_type == DICOM:
            return cls(DICOM, None)
        if media_type != "multipart/related":
            raise MediaTypeError("Send multipart/related or one file as application/dicom.")
        kind = content_type(parameters.get("type", DICOM))[0]
        if kind not in {DICOM, DICOM_JSON}:
            raise MediaTypeError("Send parts of type application/dicom or application/dicom+json.")
        return cls(kind, parameters.get("boundary", ""))


class Stow:
    """Takes images of any number of studies."""

    def __init__(self, quick: Pool, stores: Pool, rows: Rows) -> None:
        self._quick = quick
        self._stores = stores
        self._rows = rows

    async def receive(
        self, exchange: Exchange, identity: Identity, slug: str | None, study: str | None
    ) -> None:
        """Who asks and what they may is settled before the body is read."""
        identity.require(Scope.WRITE)
        if identity.is_session:
            csrf.check(exchange)
        accepts(exchange.headers.get("accept", ""), DICOM_JSON, "application/json")
        form = Form.of(exchange.headers)
        parser = None if form.boundary is None else Parser(form.boundary)
        named = exchange.headers.get("x-lightbox-site", "")
        site = await audited_destination(self._quick, identity, slug, named)
        await self._quick.run(room.check)
        intake = Intake(self._stores, self._rows, identity, site, study)
        try:
            if parser is None:
                await self._one(exchange, intake)
            elif form.kind == DICOM:
                await self._files(exchange, parser, intake)
            else:
                await self._models(exchange, parser, intake)
        finally:
            await intake.settle()
        await _answer(exchange, intake, site)

    async def _one(self, exchange: Exchange, intake: Intake) -> None:
        spool = Spool(self._stores)
        try:
            async for chunk in exchange.body():
                await spool.write(chunk)
            if not spool.size:
                raise BadRequestError("The body is empty.")
        except BaseException:
            spool.close()
            raise
        await intake.put(spool)

    async def _files(self, exchange: Exchange, parser: Parser, intake: Intake) -> None:
        spool: Spool | None = None
        try:
            async for chunk in exchange.body():
                for event in parser.feed(chunk):
                    if isinstance(event, bytes):
                        if spool is not None:
                            await spool.write(event)
                    elif isinstance(event, PartBegin):
                        _count(intake)
                        spool = Spool(self._stores) if _is_file(event.headers) else None
                    elif event is Mark.PART_END:
                        if spool is not None and spool.size:
                            taken, spool = spool, None
                            await intake.put(taken)
                        else:
                            intake.refuse()
            parser.close()
        finally:
            if spool is not None:
                spool.close()

    async def _models(self, exchange: Exchange, parser: Parser, intake: Intake) -> None:
        """Instances can only be built when all metadata and bulk data are there."""
        parts = ModelParts(self._stores)
        try:
            async for chunk in exchange.body():
                for event in parser.feed(chunk):
                    if isinstance(event, bytes):
                        await parts.write(event)
                    elif isinstance(event, PartBegin):
                        parts.begin(event.headers)
                    elif event is Mark.PART_END:
                        parts.end()
            parser.close()
            for model in await self._stores.run(parts.read):
                _count(intake)
                await intake.put(model, model.fate())
            await intake.settle()  # the instances use the bulk data until then
        finally:
            parts.close()


async def _answer(exchange: Exchange, intake: Intake, site: Site) -> None:
    if not intake.fates:
        raise BadRequestError("There is no image in the body.")
    if intake.troubled and all(fate.failure is not None for fate in intake.fates):
        raise StorageFullError if intake.full else BusyError
    await exchange.answer(
        status_of(intake.fates),
        [(b"content-type", DICOM_JSON.encode()), NO_STORE],
        body_of(intake.fates, dicomweb_root(site.slug)),
    )


def _count(intake: Intake) -> None:
    if len(intake.fates) >= MAX_PARTS:
        raise TooLargeError("There are too many parts in the body.")


def _is_file(headers: dict[str, str]) -> bool:
    """Whether a part is a DICOM file as it is; where it says nothing, the whole body's type."""
    kind = content_type(headers.get("content-type", DICOM))[0]
    return kind == DICOM and headers.get("content-transfer-encoding", "").lower() in PLAIN
