"""`make bench`: a fresh portal with its Orthanc, one run, a table and var/bench.json."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from pydicom import dcmread
from websockets.asyncio.client import connect

from benchmarks.http import Target, latencies, rate
from studies.demo import synth
from tests.servers.stack import Stack

SLICES = 200
WORKLIST_STUDIES = 100_000
MAKE_TOKEN = """
from pacs.accounts.models import ApiToken, Membership, Site, User
from django.test import Client
site = Site.objects.order_by('id').first()
user = User.objects.create_user('bench')
Membership.objects.create(user=user, site=site, role='radiologist')
client = Client(); client.force_login(user)
print(ApiToken.issue(user, 'bench')[1], client.cookies['lightbox_session'].value, site.slug)
"""


class Listener:
    """The worklist's socket: when the study was first heard of, when its final count was."""

    def __init__(self, port: int, token: str) -> None:
        self.first = self.final = 0.0
        self.ready = threading.Event()
        self.done = threading.Event()
        self._address = f"ws://127.0.0.1:{port}/ws/worklist/"
        self._headers = {"Authorization": f"Bearer {token}"}
        threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True).start()

    async def _listen(self) -> None:
        async with connect(self._address, additional_headers=self._headers) as socket:
            self.ready.set()
            async for text in socket:
                event = json.loads(text)
                if event.get("type") == "study.received":
                    self.first = time.perf_counter()
                if event.get("images") == SLICES:
                    self.final = time.perf_counter()
                    self.done.set()
                    return


def arrival(stack: Stack, token: str, files: list[Path]) -> dict[str, float]:
    """A study by one C-STORE association, watched from outside."""
    uid = str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
    portal = Target(stack.port, {"Authorization": f"Bearer {token}"})
    listener = Listener(stack.port, token)
    if not listener.ready.wait(10):
        raise RuntimeError("the socket does not open")
    stored = _first_image(stack)
    start = time.perf_counter()
    stack.storescu(files)
    sent = time.perf_counter()
    archived, _ = _until_archived(portal, uid)
    if not listener.done.wait(60):
        raise RuntimeError("the socket never showed the final count")
    first_stored = stored.result()
    return {
        "orthanc_instances_per_s": SLICES / (sent - start),
        "follower_instances_per_s": SLICES / (archived - start),
        "follower_ratio": (sent - start) / (archived - start),
        "first_row_s": listener.first - first_stored,
        "archived_after_store_s": archived - sent,
        "final_count_after_store_s": listener.final - sent,
    }


def catching_up(stack: Stack, token: str, files: list[Path]) -> dict[str, float]:
    """What the follower can do by itself: Orthanc fills while it may not look, then it may."""
    uid = str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
    portal = Target(stack.port, {"Authorization": f"Bearer {token}"})
    server = "from studies.models import OrthancServer as S; S.objects.update(is_enabled={})"
    stack.shell(server.format(False))
    start = time.perf_counter()
    stack.storescu(files)
    alone = SLICES / (time.perf_counter() - start)
    time.sleep(1)
    stack.shell(server.format(True) + "; from studies.tasks import follow_changes as f; f.delay(1)")
    first, seen = _until_archived(portal, uid, 1)
    last, _ = _until_archived(portal, uid)
    rate_alone = (SLICES - seen) / (last - first)
    return {
        "orthanc_alone_instances_per_s": alone,
        "follower_alone_instances_per_s": rate_alone,
        "follower_alone_ratio": rate_alone / alone,
    }


class _first_image(threading.Thread):
    """Notes when Orthanc holds its first image."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self._target_server = orthanc_target(stack)
        self._at = 0.0
        self.start()

    def run(self) -> None:
        from http.client import HTTPConnection

        connection = HTTPConnection("127.0.0.1", self._target_server.port, timeout=10)
        while not self._at:
            connection.request("GET", "/changes?last", headers=self._target_server.headers)
            if json.loads(connection.getresponse().read())["Last"]:
                self._at = time.perf_counter()
            time.sleep(0.03)

    def result(self) -> float:
        self.join(10)
        return self._at


def _until_archived(portal: Target, uid: str, wanted: int = SLICES) -> tuple[float, int]:
    """When at least `wanted` images are there, and how many then."""
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", portal.port, timeout=30)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        connection.request(
            "GET", f"/dicom-web/studies?StudyInstanceUID={uid}", headers=portal.headers
        )
        found = json.loads(connection.getresponse().read() or b"[]")
        if found and found[0]["00201208"]["Value"][0] >= wanted:
            return time.perf_counter(), found[0]["00201208"]["Value"][0]
        time.sleep(0.04)
    raise RuntimeError("not archived in two minutes")


def orthanc_target(stack: Stack) -> Target:
    credentials = ":".join(stack.orthanc_credentials).encode()
    return Target(
        stack.orthanc_http_port,
        {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"},
    )


def retrieval(stack: Stack, token: str, files: list[Path]) -> dict[str, float]:
    """The same requests to both servers, one after the other."""
    heads = [dcmread(path, stop_before_pixels=True) for path in files]
    study, series = heads[0].StudyInstanceUID, heads[0].SeriesInstanceUID
    root = f"/dicom-web/studies/{study}/series/{series}"
    frames = [f"{root}/instances/{head.SOPInstanceUID}/frames/1" for head in heads]
    accept = {"Accept": 'multipart/related; type="application/octet-stream"'}
    found: dict[str, float] = {}
    servers = {
        "orthanc": orthanc_target(stack),
        "portal": Target(stack.port, {"Authorization": f"Bearer {token}"}),
    }
    for name, server in servers.items():
        found[f"{name}_metadata_ms"], found[f"{name}_metadata_p95_ms"] = latencies(
            server, f"/dicom-web/studies/{study}/metadata", 20, Accept="application/dicom+json"
        )
        for connections in (1, 8, 32):
            found[f"{name}_frames_per_s_{connections}"] = rate(
                Target(server.port, {**server.headers, **accept}), frames, connections
            )
    return found


def worklist(stack: Stack, cookie: str, slug: str) -> dict[str, float]:
    """The first page with many studies."""
    import subprocess

    subprocess.run(
        [sys.executable, "-m", "benchmarks.fill", str(WORKLIST_STUDIES), slug],
        env=stack.variables(),
        check=True,
    )
    page = Target(stack.port, {"Cookie": f"lightbox_session={cookie}", "Accept": "text/html"})
    middle, high = latencies(page, "/", 60)
    return {"worklist_first_page_ms": middle, "worklist_first_page_p95_ms": high}


def table(found: dict[str, float]) -> str:
    """Markdown for docs/performance.md."""
    rows = [
        (
            "C-STORE into Orthanc, one association",
            f"{found['orthanc_instances_per_s']:.0f}/s",
            "",
            "",
        ),
        (
            "archived by the follower meanwhile",
            "",
            f"{found['follower_instances_per_s']:.0f}/s",
            f"{found['follower_ratio']:.2f}",
        ),
        (
            "the same, Orthanc and follower each by itself",
            f"{found['orthanc_alone_instances_per_s']:.0f}/s",
            f"{found['follower_alone_instances_per_s']:.0f}/s",
            f"{found['follower_alone_ratio']:.2f}",
        ),
        ("first row after the first image is stored", "", f"{found['first_row_s']:.2f} s", ""),
        (
            "all 200 archived after storescu ends",
            "",
            f"{found['archived_after_store_s']:.2f} s",
            "",
        ),
        (
            "final count on the socket after storescu ends",
            "",
            f"{found['final_count_after_store_s']:.2f} s",
            "",
        ),
        (
            "metadata of 200 instances, median",
            f"{found['orthanc_metadata_ms']:.0f} ms",
            f"{found['portal_metadata_ms']:.1f} ms",
            f"{found['orthanc_metadata_ms'] / found['portal_metadata_ms']:.1f}",
        ),
    ]
    for connections in (1, 8, 32):
        ours, theirs = (found[f"{n}_frames_per_s_{connections}"] for n in ("portal", "orthanc"))
        rows.append(
            (
                f"CT frames, {connections} connections",
                f"{theirs:.0f}/s",
                f"{ours:.0f}/s",
                f"{ours / theirs:.2f}",
            )
        )
    rows.append(
        (
            "worklist's first page at 100,000 studies, p95",
            "",
            f"{found['worklist_first_page_p95_ms']:.0f} ms",
            "",
        )
    )
    lines = ["| work | Orthanc | portal | ratio |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lightbox-bench-") as folder:
        slices = synth.ct_series(Path(folder) / "ct", slices=SLICES, size=512, seed=77)
        others = synth.ct_series(Path(folder) / "ct2", slices=SLICES, size=512, seed=78)
        with Stack(Path(folder) / "data", env={"PACS_QUIET_SECONDS": "1"}) as stack:
            token, cookie, slug = stack.shell(MAKE_TOKEN).split()
            found |= arrival(stack, token, slices)
            found |= catching_up(stack, token, others)
            print(json.dumps(found), flush=True)
            found |= retrieval(stack, token, slices)
            found |= worklist(stack, cookie, slug)
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(table(found))
    target = Path("var") / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({k: round(v, 4) for k, v in found.items()}, indent=1) + "\n")
    print(f"\n{target} written")


if __name__ == "__main__":
    main()
