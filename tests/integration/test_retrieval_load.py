"""Large downloads, slow readers and thousands of connections against the running product."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tests.dicomweb.asking import ct_file
from tests.servers.portal import Portal, wait

MB = 2**20
LARGE = 24
LARGE_STUDY = "1.2.826.0.1.3680043.10.77.1"
CT_STUDY = "1.2.826.0.1.3680043.10.77.2"
CONNECTIONS = 1_000
CUT = 0
"""Stands for the status of an answer that was cut short."""


class Web:
    """The portal's web process, measured."""

    def __init__(self, portal: Portal) -> None:
        self._proc = Path("/proc") / str(portal.stack.pid("web"))

    @property
    def resident(self) -> int:
        """Bytes."""
        return int((self._proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def descriptors(self) -> int:
        return len(os.listdir(self._proc / "fd"))


@pytest.fixture(scope="module")
def large(portal: Portal) -> list[bytes]:
    """A study of 24 files of 12 MB."""
    files = []
    for number in range(LARGE):
        values = np.random.default_rng(number).bytes(12 * MB)
        file = ct_file(
            study=LARGE_STUDY, series=LARGE_STUDY + ".1", number=number + 1, size=16,
            Rows=2048, Columns=3072, PixelData=values, PatientID="LOAD-1",
        )  # fmt: skip
        assert portal.upload(file)[0] == 201
        files.append(file)
    return files


@pytest.fixture(scope="module")
def frame(portal: Portal) -> tuple[str, bytes]:
    """The path and the bytes of a CT frame of 512 KB."""
    file = ct_file(study=CT_STUDY, series=CT_STUDY + ".1", size=512, PatientID="LOAD-2")
    assert portal.upload(file)[0] == 201
    dataset = pydicom.dcmread(BytesIO(file))
    path = (
        f"/dicom-web/studies/{CT_STUDY}/series/{CT_STUDY}.1"
        f"/instances/{dataset.SOPInstanceUID}/frames/1"
    )
    return path, dataset.PixelData


def request_bytes(portal: Portal, path: str, accept: str = "*/*") -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
        f"Authorization: Bearer {portal.tokens['radiologist']}\r\n\r\n"
    ).encode()


async def connect(portal: Portal, limit: int = 65536) -> Any:
    return await asyncio.open_connection("127.0.0.1", portal.stack.port, limit=limit)


async def head_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = (line.split(": ", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value for name, value in headers}


@pytest.mark.parametrize(
    "accept", ["application/zip", 'multipart/related; type="application/dicom"']
)
def test_memory_stays_flat_with_a_slow_reader(
    portal: Portal, large: list[bytes], accept: str, tmp_path: Path
) -> None:
    web = Web(portal)
    path = f"/dicom-web/studies/{LARGE_STUDY}"

    async def read_slowly() -> tuple[int, int, str]:
        reader, writer = await connect(portal)
        before, most = web.resident, 0
        digest, total = hashlib.sha256(), 0
        writer.write(request_bytes(portal, path, accept))
        status, headers = await head_of(reader)
        assert status == 200
        left = int(headers["content-length"])
        with (tmp_path / "body").open("wb") as file:
            while left:
                piece = await reader.read(min(left, 256 * 1024))
                assert piece
                file.write(piece)
                left -= len(piece)
                total += len(piece)
                if total % (16 * MB) < len(piece):  # a pause now and then
                    await asyncio.sleep(0.05)
                    most = max(most, web.resident)
                digest.update(piece)
        writer.close()
        return before, most, digest.hexdigest()

    before, most, _ = asyncio.run(read_slowly())
    assert most - before < 48 * MB
    if accept == "application/zip":
        with zipfile.ZipFile(tmp_path / "body") as found:
            members = sorted(
                hashlib.sha256(found.read(one)).hexdigest() for one in found.infolist()
            )
        assert members == sorted(hashlib.sha256(file).hexdigest() for file in large)


def test_who_goes_in_the_middle_leaves_nothing(portal: Portal, large: list[bytes]) -> None:
    web = Web(portal)
    path = f"/dicom-web/studies/{LARGE_STUDY}"

    async def begin_and_go() -> None:
        reader, writer = await connect(portal)
        writer.write(request_bytes(portal, path))
        await reader.readexactly(2 * MB)
        writer.transport.abort()

    async def many() -> None:
        await asyncio.gather(*(begin_and_go() for _ in range(30)))

    def rounds(count: int) -> None:
        for _ in range(count):
            asyncio.run(many())
            time.sleep(0.5)

    rounds(3)  # after which the process is as large as it gets
    memory, descriptors = web.resident, web.descriptors
    rounds(6)
    wait(lambda: web.descriptors <= descriptors + 5, 20, "descriptors are closed", portal)
    wait(lambda: web.resident - memory < 48 * MB, 20, "memory is given back", portal)


def test_thousands_at_once(portal: Portal, frame: tuple[str, bytes]) -> None:
    """Some read, some read nothing, some go: each who reads gets the frame or 503."""
    path, pixels = frame
    web = Web(portal)
    assert portal.request("GET", path)[0] == 200
    memory, descriptors = web.resident, web.descriptors
    request = request_bytes(portal, path, "application/octet-stream")
    seen: dict[int, int] = {}
    most = 0

    async def reads() -> None:
        reader, writer = await connect(portal, limit=2**20)
        try:
            writer.write(request)
            try:
                status, headers = await head_of(reader)
                body = await reader.readexactly(int(headers["content-length"]))
            except (ConnectionResetError, asyncio.IncompleteReadError):
                status, body = CUT, pixels  # too slow for the server: this process is busy, too
            seen[status] = seen.get(status, 0) + 1
            assert status == 503 or body == pixels
        finally:
            writer.close()

    async def goes() -> None:
        _, writer = await connect(portal)
        writer.write(request)
        await asyncio.sleep(0.2)
        writer.transport.abort()

    async def takes_nothing(until: asyncio.Event) -> None:
        _reader, writer = await connect(portal, limit=1024)
        writer.transport.pause_reading()
        writer.write(request)
        await until.wait()
        writer.transport.abort()

    async def watches() -> None:
        nonlocal most
        while True:
            most = max(most, web.resident)
            await asyncio.sleep(0.1)

    async def all_at_once() -> None:
        until = asyncio.Event()
        watching = asyncio.create_task(watches())
        idle = [asyncio.create_task(takes_nothing(until)) for _ in range(CONNECTIONS // 5)]
        await asyncio.gather(*(goes() for _ in range(CONNECTIONS // 5)))
        async with asyncio.timeout(120):
            await asyncio.gather(*(reads() for _ in range(CONNECTIONS * 3 // 5)))
        until.set()
        await asyncio.gather(*idle)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    start = time.monotonic()
    asyncio.run(all_at_once())
    print(
        f"{CONNECTIONS} in {time.monotonic() - start:.1f} s: {seen}, {(most - memory) / MB:.0f} MB"
    )
    assert set(seen) <= {200, 503, CUT}
    assert seen.get(CUT, 0) <= CONNECTIONS // 20
    assert seen[200] > 100
    assert most - memory < 450 * MB
    status, body, _ = portal.request("GET", path, headers={"Accept": "application/octet-stream"})
    assert (status, body) == (200, pixels)
    wait(lambda: web.descriptors <= descriptors + 20, 30, "descriptors are closed", portal)
