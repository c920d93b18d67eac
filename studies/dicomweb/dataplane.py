"""The data plane: DICOMweb and uploads as a lean ASGI application in front of Django's pages.

Every request takes the same steps: address, who asks, what they may have, then the body or the
answer. What is hidden answers exactly as what does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from django.conf import settings

from pacs.accounts.models import Scope as TokenScope
from studies.dicomweb import authority, capabilities, cors, servers
from studies.dicomweb.authority import Authority, StudyRef
from studies.dicomweb.bulkdata import PATH, BulkData
from studies.dicomweb.errors import (
    BadRequestError,
    ClientGoneError,
    MethodError,
    NotFoundError,
    as_answer,
)
from studies.dicomweb.exchange import NO_STORE, Exchange, Header, Receive, Scope, Send
from studies.dicomweb.frames import Frames
from studies.dicomweb.instances import Instances
from studies.dicomweb.metadata import Metadata
from studies.dicomweb.negotiation import DICOM_JSON, accepts
from studies.dicomweb.pool import Pool
from studies.dicomweb.rendered import Rendered
from studies.dicomweb.rows import Rows
from studies.dicomweb.search.keys import Level
from studies.dicomweb.search.parse import parse
from studies.dicomweb.search.results import Found, search_all, search_study
from studies.dicomweb.stow import Stow
from studies.dicomweb.transcode import Transcoder
from studies.dicomweb.upload import Upload
from studies.dicomweb.wado import Wado
from studies.dicomweb.wado_uri import WadoUri

log = structlog.get_logger(__name__)

UPLOAD_PATHS = frozenset({"/api/dicom/upload", "/api/dicom/upload/"})
STUDIES_PATH = re.compile(
    r"/dicom-web(?:/sites/(?P<site>[-a-zA-Z0-9_]{1,60}))?"
    r"(?=/(?:studies|series|instances)(?:/|$))(?:/studies"
    r"(?:/(?P<study>[^/]+)"
    r"(?:/series/(?P<series>[^/]+)"
    r"(?:/instances/(?P<instance>[^/]+)(?:/frames/(?P<frames>[^/]+))?)?)?)?)?"
    rf"(?:/(?P<what>metadata|rendered|thumbnail|series|instances|bulkdata/{PATH}))?/?"
)
URI_PATH = re.compile(r"(?:/dicom-web(?:/sites/(?P<site>[-a-zA-Z0-9_]{1,60}))?)?/wado/?")
ROOT_PATH = re.compile(r"/dicom-web(?:/sites/(?P<site>[-a-zA-Z0-9_]{1,60}))?/?")
UID = re.compile(r"[0-9.]{1,64}")
QUICK_THREADS = 8
STORE_THREADS = 4
ALLOW = "GET, HEAD, OPTIONS"
ALLOW_STORE = "GET, HEAD, POST, OPTIONS"
ALLOW_UPLOAD = "POST, OPTIONS"
SEARCHES = {"series": Level.SERIES, "instances": Level.INSTANCE}

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


def _allow(route: re.Match[str]) -> str:
    """The methods of an address: studies are stored at `/studies` and `/studies/{study}`."""
    return ALLOW if route["series"] or route["what"] else ALLOW_STORE


class DataPlane:
    """Serves `/dicom-web/.../studies...` and `POST /api/dicom/upload`; the rest is `fallback`'s."""

    def __init__(self, fallback: Any) -> None:
        self._fallback: Asgi = fallback
        self._quick = Pool(QUICK_THREADS, "dataplane")
        self._stores = Pool(STORE_THREADS, "dataplane-store")
        self._pictures = Pool(settings.PIXEL_WORKERS, "dataplane-pictures")
        self._authority = Authority(self._quick)
        self._instances = Instances(self._quick)
        self._transcoder = Transcoder(self._instances)
        self._wado = Wado(self._quick, self._instances, self._transcoder)
        self._frames = Frames(self._instances, self._transcoder)
        self._bulk_data = BulkData(self._quick, self._instances, self._frames, self._transcoder)
        self._metadata = Metadata(self._quick, self._instances)
        self._rendered = Rendered(self._quick, self._pictures, self._instances)
        self._wado_uri = WadoUri(self._authority, self._instances, self._wado, self._rendered)
        rows = Rows(self._stores)
        self._upload = Upload(self._quick, self._stores, rows)
        self._stow = Stow(self._quick, self._stores, rows)
        authority.connect()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            servers.no_delay(send)
        path: str = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(("/dicom-web", "/api/dicom/", "/wado")):
            await self._fallback(scope, receive, send)
            return
        route = STUDIES_PATH.fullmatch(path)
        uri = URI_PATH.fullmatch(path) if route is None else None
        root = ROOT_PATH.fullmatch(path) if route is None else None
        if route is None and uri is None and root is None and path not in UPLOAD_PATHS:
            await self._fallback(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        try:
            if await cors.answered(exchange):
                pass
            elif exchange.method == "OPTIONS":
                allow = _allow(route) if route else ALLOW if uri or root else ALLOW_UPLOAD
                await exchange.begin(204, [(b"allow", allow.encode()), NO_STORE])
                await exchange.end()
            elif root is not None:
                await self._describe(exchange, root["site"])
            elif uri is not None:
                await self._give_by_uri(exchange, uri["site"])
            elif route is None:
                await self._take(exchange)
            else:
                await self._give(exchange, route)
        except ClientGoneError:
            pass
        except Exception as error:
            answer = as_answer(error)
            if answer.status >= 500:
                log.exception("data plane failed", error=type(error).__name__)
            await exchange.fail(answer)
        finally:
            await exchange.close()

    def close(self) -> None:
        """Let the threads end."""
        self._quick.close()
        self._stores.close()
        self._pictures.close()
        self._transcoder.close()

    async def _take(self, exchange: Exchange) -> None:
        if exchange.method != "POST":
            raise MethodError(ALLOW_UPLOAD)
        exchange.identity = await self._authority.identify(exchange)
        await self._upload.receive(exchange, exchange.identity)

    async def _give(self, exchange: Exchange, route: re.Match[str]) -> None:
        storing = exchange.method == "POST" and _allow(route) == ALLOW_STORE
        if exchange.method not in {"GET", "HEAD"} and not storing:
            raise MethodError(_allow(route))
        exchange.identity = identity = await self._authority.identify(exchange)
        site, study_uid, series_uid, sop_uid, frames, what = route.groups()
        for uid in (study_uid, series_uid, sop_uid):
            if uid is not None and UID.fullmatch(uid) is None:
                raise BadRequestError("A UID is digits and dots, at most 64.")
        if storing:
            await self._stow.receive(exchange, identity, site, study_uid)
            return
        identity.require(TokenScope.READ)
        if study_uid is None:
            if what is not None and what not in SEARCHES:
                raise NotFoundError
            await self._search_all(exchange, site, what)
            return
        action = "study.searched" if what in SEARCHES else "study.retrieved"
        study = await self._authority.study(identity, site, study_uid, action)
        if what is not None and what in SEARCHES:
            await self._search_below(exchange, study, series_uid, sop_uid, what)
        elif frames is not None and series_uid is not None and sop_uid is not None:
            if what == "rendered":
                await self._rendered.rendered(exchange, study, series_uid, sop_uid, frames)
            elif what == "thumbnail":
                await self._rendered.thumbnail(exchange, study, series_uid, sop_uid, frames)
            elif what is None:
                await self._frames.retrieve(exchange, study, series_uid, sop_uid, frames)
            else:
                raise NotFoundError
        else:
            await self._retrieve(exchange, study, series_uid, sop_uid, what)

    async def _give_by_uri(self, exchange: Exchange, site: str | None) -> None:
        if exchange.method not in {"GET", "HEAD"}:
            raise MethodError(ALLOW)
        exchange.identity = identity = await self._authority.identify(exchange)
        identity.require(TokenScope.READ)
        await self._wado_uri.retrieve(exchange, identity, site)

    async def _describe(self, exchange: Exchange, site: str | None) -> None:
        if exchange.method not in {"GET", "HEAD"}:
            raise MethodError(ALLOW)
        exchange.identity = identity = await self._authority.identify(exchange)
        identity.require(TokenScope.READ)
        accepts(exchange.headers.get("accept", ""), "application/json", DICOM_JSON)
        found = await self._quick.run(capabilities.describe, identity.principal, site)
        await exchange.json(200, found)

    async def _retrieve(
        self,
        exchange: Exchange,
        study: StudyRef,
        series_uid: str | None,
        sop_uid: str | None,
        what: str | None,
    ) -> None:
        if what is None:
            await self._wado.instances(exchange, study, series_uid, sop_uid)
        elif what == "metadata":
            await self._metadata.retrieve(exchange, study, series_uid, sop_uid)
        elif what == "rendered":
            await self._rendered.rendered(exchange, study, series_uid, sop_uid)
        elif what == "thumbnail":
            await self._rendered.thumbnail(exchange, study, series_uid, sop_uid)
        elif series_uid is None or sop_uid is None:
            raise NotFoundError
        else:
            path = what.removeprefix("bulkdata/")
            await self._bulk_data.retrieve(exchange, study, series_uid, sop_uid, path)

    # Search

    async def _search_all(self, exchange: Exchange, site: str | None, what: str | None) -> None:
        accepts(exchange.headers.get("accept", ""), DICOM_JSON, "application/json")
        level = SEARCHES[what] if what else Level.STUDY
        query = parse(exchange.scope.get("query_string", b""), level)
        found = await self._quick.run(search_all, exchange.identity, site, query)
        await self._send_found(exchange, found)

    async def _search_below(
        self,
        exchange: Exchange,
        study: StudyRef,
        series_uid: str | None,
        sop_uid: str | None,
        what: str,
    ) -> None:
        accepts(exchange.headers.get("accept", ""), DICOM_JSON, "application/json")
        level = SEARCHES[what]
        if sop_uid is not None or (level is Level.SERIES and series_uid is not None):
            raise NotFoundError
        query = parse(exchange.scope.get("query_string", b""), level)
        found = await self._quick.run(search_study, exchange.identity, study, series_uid, query)
        await self._send_found(exchange, found)

    @staticmethod
    async def _send_found(exchange: Exchange, found: Found) -> None:
        headers: list[Header] = []
        if found.more:
            headers.append((b"warning", b'299 - "There are more results: use limit and offset."'))
        await exchange.answer(
            200,
            [(b"content-type", DICOM_JSON.encode()), NO_STORE, *headers],
            found.body,
        )
