"""Storing over HTTP, portal and Orthanc in turn: STOW-RS, and one file a request."""

from __future__ import annotations

import base64
import http.client
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from pydicom import dcmread

from benchmarks.http import Target, portal_target
from studies.demo.synth import synthetic_uid
from tests.servers.orthanc import OrthancServer
from tests.servers.stack import Stack
from tests.servers.uvicorn import DataPlaneProcesses

CONNECTIONS = (1, 4)
PER_REQUEST = 10
ROUNDS = 3
BOUNDARY = "benchmark-boundary"
STOW = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


class Copies:
    """The same images under UIDs of their own, so that nothing is a duplicate."""

    def __init__(self, files: list[Path]) -> None:
        self._files = []
        for path in files:
            head = dcmread(path, stop_before_pixels=True)
            uids = (head.StudyInstanceUID, head.SeriesInstanceUID, head.SOPInstanceUID)
            self._files.append((path.read_bytes(), [str(uid).encode() for uid in uids]))
        self._count = 0

    def __len__(self) -> int:
        return len(self._files)

    def next(self) -> list[bytes]:
        """All of them as one new study."""
        self._count += 1
        made = []
        for data, uids in self._files:
            for uid in uids:
                fresh = str(synthetic_uid("stow-bench", time.time_ns() >> 33, self._count, uid))
                data = data.replace(uid, fresh.encode().ljust(len(uid), b"0")[: len(uid)])
            made.append(data)
        return made


def _multipart(files: list[bytes]) -> bytes:
    parts = [
        b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (BOUNDARY.encode(), data)
        for data in files
    ]
    return b"".join(parts) + b"--%s--\r\n" % BOUNDARY.encode()


def _rate(target: Target, path: str, kind: str, bodies: list[bytes], connections: int) -> float:
    """Requests a second, each connection taking the next body; raises where one is refused."""
    waiting = list(reversed(bodies))
    lock = threading.Lock()
    wrong: list[str] = []

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=120)
        headers = {**target.headers, "Content-Type": kind, "Accept": "application/dicom+json"}
        if not kind.startswith("multipart"):
            headers["Accept"] = "*/*"
        while not wrong:
            with lock:
                if not waiting:
                    break
                body = waiting.pop()
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status not in {200, 201}:
                wrong.append(f"{path} answers {answer.status}: {text[:200]!r}")
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(connections)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(wrong[0])
    return len(bodies) / (time.perf_counter() - start)


def _stow(target: Target, files: list[bytes], connections: int) -> float:
    bodies = [_multipart(files[n : n + PER_REQUEST]) for n in range(0, len(files), PER_REQUEST)]
    requests = _rate(target, "/dicom-web/studies", STOW, bodies, connections)
    return requests * len(files) / len(bodies)


def measure(stack: Stack, token: str, files: list[Path]) -> dict[str, float]:
    """Instances a second over 1 and 4 connections; each number is the median of three rounds.

    `stow_*` by STOW-RS, ten images a request; `upload_*` by `POST /api/dicom/upload` and Orthanc's
    `POST /instances`. `portal` is the embedded web process, `production` two uvicorn processes.
    The Orthanc is one that nobody follows, so that it has the machine for itself.
    """
    copies = Copies(files)
    portal = portal_target(stack, token)
    with (
        tempfile.TemporaryDirectory(prefix="lightbox-stow-") as folder,
        OrthancServer(Path(folder)) as orthanc,
        DataPlaneProcesses(stack, count=2) as production,
    ):
        targets = {
            "orthanc": Target(urlsplit(orthanc.url).port or 0, _basic(orthanc)),
            "portal": portal,
            "production": Target(production.port, portal.headers),
        }
        found: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for connections in CONNECTIONS:
                for name, target in targets.items():
                    rate = _stow(target, copies.next(), connections)
                    found.setdefault(f"{name}_stow_per_s_{connections}", []).append(rate)
                for name, target in targets.items():
                    path = "/instances" if name == "orthanc" else "/api/dicom/upload"
                    rate = _rate(target, path, "application/dicom", copies.next(), connections)
                    found.setdefault(f"{name}_upload_per_s_{connections}", []).append(rate)
    return {key: median(values) for key, values in found.items()}


def _basic(orthanc: OrthancServer) -> dict[str, str]:
    text = base64.b64encode(f"{orthanc.user}:{orthanc.password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def table_rows(found: dict[str, float]) -> list[tuple[str, str, str, str]]:
    """Rows of the table: work, Orthanc, portal, ratio."""
    rows = []
    words: dict[str, Callable[[str], str]] = {
        "stow": lambda count: f"STOW-RS, 10 images a request, {count}",
        "upload": lambda count: f"one image a request, {count}",
    }
    for kind, line in words.items():
        for connections in CONNECTIONS:
            count = "1 connection" if connections == 1 else f"{connections} connections"
            theirs = found[f"orthanc_{kind}_per_s_{connections}"]
            for name, suffix in (("portal", ""), ("production", "; two uvicorn processes")):
                ours = found[f"{name}_{kind}_per_s_{connections}"]
                rows.append(
                    (
                        line(count) + suffix,
                        f"{theirs:.0f}/s",
                        f"{ours:.0f}/s",
                        f"{ours / theirs:.2f}",
                    )
                )
    return rows
