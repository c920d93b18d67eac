"""`POST /api/dicom/upload`: one instance through the one door, read as a stream."""

from __future__ import annotations

import hashlib
import re
import tempfile
from typing import IO, Any, cast

from django.conf import settings

from pacs.accounts.models import Scope, Site
from pacs.accounts.principal import Principal
from studies.dicom.errors import WORDS
from studies.dicomweb import csrf
from studies.dicomweb.authority import Identity
from studies.dicomweb.errors import (
    BadRequestError,
    ForbiddenError,
    MediaTypeError,
    TooLargeError,
)
from studies.dicomweb.exchange import Exchange
from studies.dicomweb.pool import Pool
from studies.services import ingest

IN_MEMORY = 8 * 2**20
BATCH = 1 << 20
STATUS = {"stored": 201, "duplicate": 200, "quarantined": 202}
DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class Upload:
    """Takes one file a request."""

    def __init__(self, quick: Pool, stores: Pool) -> None:
        self._quick = quick
        self._stores = stores

    async def receive(self, exchange: Exchange, identity: Identity) -> None:
        """201 stored, 200 duplicate, 202 quarantined; refuses before it reads the body."""
        identity.require(Scope.WRITE)
        if identity.is_session:
            csrf.check(exchange)
        kind = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/dicom":
            raise MediaTypeError("Send one file as application/dicom.")
        length = exchange.headers.get("content-length", "")
        if length.isdecimal() and int(length) > settings.MAX_INSTANCE_BYTES:
            raise TooLargeError
        expected = exchange.headers.get("x-content-sha256", "")
        if expected and DIGEST.fullmatch(expected) is None:
            raise BadRequestError("X-Content-SHA256 is 64 hexadecimal digits.")
        slug = exchange.headers.get("x-lightbox-site", "")
        site = await self._quick.run(_site, identity.principal, slug)
        with await self._stores.run(_spool) as spool:
            digest = await self._fill(spool, exchange, hashed=bool(expected))
            if expected and digest != expected.lower():
                raise BadRequestError("The body is not the one that X-Content-SHA256 names.")
            answer = await self._stores.run(_store, spool, identity, site)
        await exchange.json(STATUS[answer["outcome"]], answer)

    async def _fill(self, spool: IO[bytes], exchange: Exchange, *, hashed: bool) -> str:
        """Copy the body into the spool; its SHA-256 where it is wanted."""
        digest = hashlib.sha256()
        waiting: list[bytes] = []
        held = total = 0
        async for chunk in exchange.body():
            total += len(chunk)
            if total > settings.MAX_INSTANCE_BYTES:
                raise TooLargeError
            if hashed:
                digest.update(chunk)
            waiting.append(chunk)
            held += len(chunk)
            if held >= BATCH:
                await self._stores.run(spool.writelines, waiting)
                waiting, held = [], 0
        spool.writelines(waiting)
        return digest.hexdigest() if hashed else ""


def _spool() -> IO[bytes]:
    directory = ingest.spool_dir()
    directory.mkdir(parents=True, exist_ok=True)
    return cast("IO[bytes]", tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(directory)))


def _site(principal: Principal, slug: str) -> Site:
    """The site to store at: the named one, or the only one. Hidden and unknown look the same."""
    sites = Site.objects.all()
    if not principal.is_superuser:
        sites = sites.filter(id__in=principal.upload_sites)
    if slug:
        site = sites.filter(slug=slug).first()
        if site is None:
            raise ForbiddenError("You may not send images to that site.")
        return site
    found = list(sites[:2])
    if not found:
        raise ForbiddenError("You may not send images to any site.")
    if len(found) > 1:
        raise BadRequestError("Name the site: X-Lightbox-Site with its short name.")
    return found[0]


def _store(spool: IO[bytes], identity: Identity, site: Site) -> dict[str, Any]:
    spool.seek(0)
    session_key = identity.principal.session_key
    who = f"user:{identity.principal.user_id}" if identity.is_session else session_key
    result = ingest.store(spool, source=f"upload:{who}", site=site, actor=identity.actor)
    return {
        "outcome": result.outcome,
        "reason": None if result.reason is None else str(result.reason),
        "words": "" if result.reason is None else WORDS[result.reason],
        "instance": None if result.instance is None else result.instance.sop_instance_uid,
    }
