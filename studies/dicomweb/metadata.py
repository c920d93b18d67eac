"""Metadata of studies, series and instances as DICOM JSON (PS3.18 10.4.1.1.2)."""

from __future__ import annotations

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from django.db.models import F

from studies import documents
from studies.dicomweb import bulkdata
from studies.dicomweb.authority import StudyRef, dicomweb_root
from studies.dicomweb.errors import NotFoundError
from studies.dicomweb.exchange import NO_STORE, Exchange, Header
from studies.dicomweb.instances import Instances
from studies.dicomweb.negotiation import DICOM_JSON, accepts
from studies.dicomweb.pool import Pool
from studies.models import Series

CACHE_BYTES = 64 * 2**20
VARY: Header = (b"vary", b"accept, accept-encoding")


class Metadata:
    """Finished bodies, gzipped, in a bounded memory; a series' version is part of their key."""

    def __init__(self, quick: Pool, instances: Instances) -> None:
        self._quick = quick
        self._instances = instances
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0

    async def retrieve(
        self, exchange: Exchange, study: StudyRef, series_uid: str | None, sop_uid: str | None
    ) -> None:
        """Send the metadata, gzipped where the client takes it."""
        accepts(exchange.headers.get("accept", ""), DICOM_JSON, "application/json")
        zipped = "gzip" in exchange.headers.get("accept-encoding", "")
        root = f"{dicomweb_root(study.site_slug)}/studies/{study.study_instance_uid}"
        if sop_uid is not None and series_uid is not None:
            await self._instances.find(study, series_uid, sop_uid)
            body = await self._quick.run(
                _of_instance, study, f"{root}/series/{series_uid}", sop_uid
            )
            etag = _etag(body)
        else:
            rows = await self._quick.run(_series_rows, study.pk, series_uid)
            if not rows:
                raise NotFoundError
            etag = _etag(_version(root, rows))
            body = self._bodies.get(etag, b"")
            if not body and not exchange.not_modified(etag):
                body = await self._quick.run(_of_series, root, rows)
                self._keep(etag, body)
        headers: list[Header] = [(b"etag", etag.encode()), NO_STORE, VARY]
        if exchange.not_modified(etag):
            await exchange.begin(304, headers)
            await exchange.end()
            return
        headers.append((b"content-type", DICOM_JSON.encode()))
        if zipped:
            headers.append((b"content-encoding", b"gzip"))
        else:
            body = await self._quick.run(gzip.decompress, body)
        await exchange.answer(200, headers, body)

    def _keep(self, etag: str, body: bytes) -> None:
        if len(body) > CACHE_BYTES // 4 or etag in self._bodies:
            return
        self._bodies[etag] = body
        self._held += len(body)
        while self._held > CACHE_BYTES:
            self._held -= len(self._bodies.popitem(last=False)[1])


def _etag(version: bytes) -> str:
    return f'W/"{hashlib.blake2b(version, digest_size=16).hexdigest()}"'


def _version(root: str, rows: Sequence[Series]) -> bytes:
    return " ".join([root, *(f"{row.pk}-{row.metadata_version}" for row in rows)]).encode()


def _series_rows(study_pk: int, series_uid: str | None) -> list[Series]:
    rows: Any = Series.objects.filter(study_id=study_pk).select_related("study")
    if series_uid is not None:
        rows = rows.filter(series_instance_uid=series_uid)
    return list(rows.order_by(F("series_number").asc(nulls_last=True), "id"))


def _of_series(root: str, rows: Sequence[Series]) -> bytes:
    objects: list[str] = []
    for row in rows:
        text = documents.series_json(row).decode()
        objects += bulkdata.with_urls(text, f"{root}/series/{row.series_instance_uid}")
    return _zip(objects)


def _of_instance(study: StudyRef, series_url: str, sop_uid: str) -> bytes:
    body = documents.instance_json(study.site_id, sop_uid)
    if body is None:
        raise NotFoundError
    return _zip(bulkdata.with_urls(body.decode(), series_url))


def _zip(objects: Sequence[str]) -> bytes:
    return gzip.compress(f"[{','.join(objects)}]".encode(), compresslevel=4, mtime=0)
