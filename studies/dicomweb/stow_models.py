"""STOW-RS of metadata and bulk data: their parts, and the instances made of them."""

from __future__ import annotations

import json
import mmap
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from studies.dicom import assemble
from studies.dicom.assemble import Bulk
from studies.dicom.payload import Payload
from studies.dicomweb.errors import BadRequestError, TooLargeError
from studies.dicomweb.multipart import PLAIN, content_type
from studies.dicomweb.negotiation import DICOM_JSON
from studies.dicomweb.pool import Pool
from studies.dicomweb.spool import Spool
from studies.dicomweb.store_response import Fate
from studies.services import ingest

MAX_METADATA = 32 * 2**20
MAX_PARTS = 100_000
UID = re.compile(r"[0-9.]{1,64}")


@dataclass(slots=True)
class _Place:
    """Where a part lies within the spool of its kind."""

    start: int
    end: int
    media_type: str = ""
    transfer_syntax: str = ""


class ModelParts:
    """Takes a request's parts; one spool for all metadata, one for all bulk data."""

    def __init__(self, pool: Pool) -> None:
        self._metadata = Spool(pool)
        self._bulk = Spool(pool)
        self._texts: list[_Place] = []
        self._places: dict[str, list[_Place]] = {}
        self._now: tuple[Spool, _Place] | None = None
        self._count = 0
        self._payloads: list[Payload] = []

    def begin(self, headers: dict[str, str]) -> None:
        """Bulk data are known by their Content-Location, which is compared and nothing else."""
        self._count += 1
        if self._count > MAX_PARTS:
            raise TooLargeError("There are too many parts in the body.")
        if headers.get("content-transfer-encoding", "").lower() not in PLAIN:
            raise BadRequestError("Send the parts without a Content-Transfer-Encoding.")
        media_type, parameters = content_type(headers.get("content-type", DICOM_JSON))
        if media_type in {DICOM_JSON, "application/json"}:
            place = _Place(self._metadata.size, 0)
            self._texts.append(place)
            self._now = self._metadata, place
            return
        location = headers.get("content-location", "")
        if not location:
            raise BadRequestError("A part of bulk data has no Content-Location.")
        syntax = parameters.get("transfer-syntax", "")
        place = _Place(self._bulk.size, 0, media_type, syntax)
        self._places.setdefault(location, []).append(place)
        self._now = self._bulk, place

    async def write(self, piece: bytes) -> None:
        """Bytes of the part that began last. Raises TooLargeError."""
        if self._now is not None:
            await self._now[0].write(piece)
        if self._metadata.size > MAX_METADATA:
            raise TooLargeError("The metadata are larger than this server takes.")

    def end(self) -> None:
        """The part that began last is there."""
        if self._now is not None:
            self._now[1].end = self._now[0].size

    def read(self) -> list[ModelInstance]:
        """The instances, usable until `close`; in a thread. Raises BadRequestError."""
        texts, data = self._open(self._metadata), self._open(self._bulk)
        models: list[Any] = []
        try:
            for place in self._texts:
                found = json.loads(texts[place.start : place.end])
                models += found if isinstance(found, list) else [found]
        except (ValueError, RecursionError):
            raise BadRequestError("The metadata are no DICOM JSON.") from None
        if not all(isinstance(model, dict) for model in models):
            raise BadRequestError("The metadata are no DICOM JSON.")
        bulk = {
            uri: [
                Bulk(data, one.start, one.end, one.media_type, one.transfer_syntax)
                for one in places
            ]
            for uri, places in self._places.items()
        }
        return [ModelInstance(model, bulk) for model in models]

    def _open(self, spool: Spool) -> bytes | mmap.mmap:
        payload = spool.payload()
        self._payloads.append(payload)
        return payload.data

    def close(self) -> None:
        """Free all; no instance may be under way any more."""
        for spool in (self._metadata, self._bulk):
            spool.close()
        for payload in self._payloads:
            payload.close()


class ModelInstance:
    """One instance of the metadata; the file is written when it is asked for."""

    def __init__(self, model: dict[str, Any], bulk: dict[str, list[Bulk]]) -> None:
        self._model = model
        self._bulk = bulk

    def fate(self) -> Fate:
        """With the UIDs that the metadata state, for a failure before there is a file."""
        return Fate(
            sop_class_uid=self._uid("00080016"),
            sop_instance_uid=self._uid("00080018"),
            series_instance_uid=self._uid("0020000E"),
            study_instance_uid=self._uid("0020000D"),
        )

    def _uid(self, tag: str) -> str:
        element = self._model.get(tag)
        values = element.get("Value") if isinstance(element, dict) else None
        value = values[0] if isinstance(values, list) and values else ""
        return value if isinstance(value, str) and UID.fullmatch(value) else ""

    def payload(self) -> Payload:
        """The file. Raises GateError where the metadata make none."""
        return Payload.read(
            assemble.file_of(self._model, self._bulk),
            limit=settings.MAX_INSTANCE_BYTES,
            spool_dir=ingest.spool_dir(),
        )

    def close(self) -> None:
        self._model = {}
