"""`POST /api/dicom/upload`: one instance through the one door, read as a stream."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings

from pacs.accounts import page_person
from pacs.accounts.models import Scope, Site
from studies.archive import room
from studies.dicom.errors import WORDS
from studies.dicomweb import csrf
from studies.dicomweb.authority import Identity
from studies.dicomweb.destination import audited_destination
from studies.dicomweb.errors import (
    BadRequestError,
    MediaTypeError,
    NotAuthenticatedError,
    TooLargeError,
)
from studies.dicomweb.exchange import Exchange
from studies.dicomweb.intake import source_of
from studies.dicomweb.multipart import content_type
from studies.dicomweb.negotiation import DICOM
from studies.dicomweb.pool import Pool
from studies.dicomweb.rows import Rows
from studies.dicomweb.spool import Spool
from studies.services import ingest

STATUS = {"stored": 201, "duplicate": 200, "quarantined": 202, "refused": 410}
DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class Upload:
    """Takes one file a request."""

    def __init__(self, quick: Pool, stores: Pool, rows: Rows) -> None:
        self._quick = quick
        self._stores = stores
        self._rows = rows

    async def receive(self, exchange: Exchange, identity: Identity) -> None:
        """201 stored, 200 duplicate, 202 quarantined, 410 deleted here and not taken again.

        Refuses before it reads the body.
        """
        identity.require(Scope.WRITE)
        if identity.is_session:
            csrf.check(exchange)
            if page_person.is_other(
                exchange.headers.get(page_person.HEADER.lower()), identity.principal.user_id
            ):
                raise NotAuthenticatedError
        if content_type(exchange.headers.get("content-type", ""))[0] != DICOM:
            raise MediaTypeError("Send one file as application/dicom.")
        length = exchange.headers.get("content-length", "")
        if length.isdecimal() and int(length) > settings.MAX_INSTANCE_BYTES:
            raise TooLargeError
        expected = exchange.headers.get("x-content-sha256", "")
        if expected and DIGEST.fullmatch(expected) is None:
            raise BadRequestError("X-Content-SHA256 is 64 hexadecimal digits.")
        as_prior = exchange.headers.get("x-lightbox-as-prior", "0")
        if as_prior not in {"0", "1"}:
            raise BadRequestError("X-Lightbox-As-Prior is 0 or 1.")
        slug = exchange.headers.get("x-lightbox-site", "")
        site = await audited_destination(self._quick, identity, None, slug)
        await self._quick.run(room.check)
        spool = Spool(self._stores)
        try:
            async for chunk in exchange.body():
                await spool.write(chunk)
            prepared = await self._stores.run(_prepare, spool, identity, site, expected.lower())
        finally:
            spool.close()
        result = (await self._rows.commit(identity, [prepared], as_prior=as_prior == "1"))[0]
        await exchange.json(STATUS[result.outcome], _words(result))


def _prepare(spool: Spool, identity: Identity, site: Site, expected: str) -> ingest.Prepared:
    payload = spool.payload()
    try:
        if expected and payload.sha256 != expected:
            raise BadRequestError("The body is not the one that X-Content-SHA256 names.")
        return ingest.prepare(payload, source=source_of(identity, "upload"), site_id=site.pk)
    finally:
        payload.close()


def _words(result: ingest.StoreResult) -> dict[str, Any]:
    return {
        "outcome": result.outcome,
        "reason": None if result.reason is None else str(result.reason),
        "words": "" if result.reason is None else WORDS[result.reason],
        "instance": result.sop_instance_uid or None,
    }
