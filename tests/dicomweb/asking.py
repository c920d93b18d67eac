"""A small ASGI client for the data plane, and real files stored through the one door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pydicom.data
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from pacs.accounts.models import Site
from studies.dicomweb.dataplane import DataPlane
from studies.services import ingest

TEST_FILES = Path(pydicom.data.__file__).parent / "test_files"
FRAMES_ACCEPT = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


@dataclass
class Part:
    headers: dict[str, str]
    body: bytes

    @property
    def transfer_syntax(self) -> str:
        return self.headers["content-type"].partition("transfer-syntax=")[2]


@dataclass
class Reply:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: int = 0

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def parts(self) -> list[Part]:
        """The parts of a multipart body, read strictly by RFC 2046."""
        kind, _, rest = self.headers["content-type"].partition(";")
        assert kind == "multipart/related"
        parameters = dict(one.strip().split("=", 1) for one in rest.split(";"))
        delimiter = b"--" + parameters["boundary"].strip('"').encode()
        assert self.body.startswith(delimiter + b"\r\n")
        assert self.body.endswith(b"\r\n" + delimiter + b"--\r\n")
        middle = self.body[len(delimiter) + 2 : -len(delimiter) - 6]
        parts = []
        for piece in middle.split(b"\r\n" + delimiter + b"\r\n"):
            head, _, body = piece.partition(b"\r\n\r\n")
            lines = (line.split(": ", 1) for line in head.decode().split("\r\n"))
            parts.append(Part({name.lower(): value for name, value in lines}, body))
        return parts


class Gone(Exception):
    """The fallback was asked."""


async def fallback(scope: Any, receive: Any, send: Any) -> None:
    raise Gone(scope["path"])


class AsgiClient:
    """Asks the data plane as a server would; `headers` go with every request."""

    def __init__(self, plane: DataPlane, headers: dict[str, str] | None = None) -> None:
        self.plane = plane
        self.headers = headers or {}

    async def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: Iterable[bytes] = (),
        disconnect: bool = False,
    ) -> Reply:
        path, _, query = path.partition("?")
        sent = {"host": "testserver", **self.headers, **(headers or {})}
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "scheme": "http",
            "server": ("testserver", 80),
            "client": ("192.0.2.7", 50000),
            "headers": [(k.lower().encode(), v.encode()) for k, v in sent.items()],
        }
        pieces = list(body)
        messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        if disconnect:
            messages.append({"type": "http.disconnect"})
        else:
            messages.append({"type": "http.request", "body": b"", "more_body": False})
        reply = Reply()
        finished = asyncio.Event()

        async def receive() -> Any:
            if messages:
                self.received += reply.status == 0  # before there is an answer
                return messages.pop(0)
            await finished.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                assert reply.status == 0
                reply.status = message["status"]
                reply.headers = {
                    name.decode().lower(): value.decode() for name, value in message["headers"]
                }
            else:
                reply.pieces += 1
                reply.body += message["body"]
                if not message.get("more_body"):
                    finished.set()

        self.received = 0
        await self.plane(scope, receive, send)
        if "content-length" in reply.headers and method != "HEAD":
            assert int(reply.headers["content-length"]) == len(reply.body)
        return reply

    def get(self, path: str, **options: Any) -> Reply:
        return asyncio.run(self.ask(path, **options))

    def post(self, path: str, body: bytes, **options: Any) -> Reply:
        size = 65536
        pieces = [body[n : n + size] for n in range(0, len(body), size)]
        return asyncio.run(self.ask(path, method="POST", body=pieces, **options))


def ct_file(
    *,
    study: str = "1.2.826.0.1.3680043.10.9.1",
    series: str = "1.2.826.0.1.3680043.10.9.1.1",
    instance: str = "",
    number: int = 1,
    frames: int = 1,
    size: int = 16,
    seed: int = 0,
    **elements: Any,
) -> bytes:
    """A small CT slice as a file."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.SOPInstanceUID = instance or generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.Modality, dataset.PatientID, dataset.PatientName = "CT", "P-1", "DOE^Jane"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20260102", "101112", "A-1"
    dataset.StudyID, dataset.InstanceNumber, dataset.SeriesNumber = "S1", number, 1
    dataset.Rows = dataset.Columns = size
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    if frames > 1:
        dataset.NumberOfFrames = frames
    values = np.random.default_rng(seed).integers(0, 4096, (frames, size, size), dtype=np.uint16)
    dataset.PixelData = values.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    target = BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()


@dataclass
class Stored:
    """What was stored, with its paths."""

    file: bytes
    study: str
    series: str
    instance: str
    study_pk: int

    @property
    def study_path(self) -> str:
        return f"/dicom-web/studies/{self.study}"

    @property
    def series_path(self) -> str:
        return f"{self.study_path}/series/{self.series}"

    @property
    def path(self) -> str:
        return f"{self.series_path}/instances/{self.instance}"

    @property
    def dataset(self) -> Dataset:
        return pydicom.dcmread(BytesIO(self.file))


def store(site: Site, file: bytes) -> Stored:
    result = ingest.store(BytesIO(file), source="test", site=site)
    assert result.outcome in {"stored", "duplicate"}, result
    assert result.study_id is not None
    dataset = pydicom.dcmread(BytesIO(file), stop_before_pixels=True)
    return Stored(
        file,
        dataset.StudyInstanceUID,
        dataset.SeriesInstanceUID,
        dataset.SOPInstanceUID,
        result.study_id,
    )


def saved(dataset: Dataset) -> bytes:
    """A data set as a file, Explicit VR Little Endian."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()
