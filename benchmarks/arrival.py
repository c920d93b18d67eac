"""From C-STORE to the portal: how soon the first image, the whole study, and who keeps up."""

from __future__ import annotations

import asyncio
import json
import resource
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

from pydicom import dcmread
from websockets.asyncio.client import connect

from benchmarks.cpu import busy
from benchmarks.http import Row, Target, orthanc_target, portal_target
from tests.servers.stack import Stack


class Listener:
    """The worklist's socket: when the study was first heard of, when its final count was."""

    def __init__(self, port: int, token: str, images: int) -> None:
        self.images = images
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
                if event.get("images") == self.images:
                    self.final = time.perf_counter()
                    self.done.set()
                    return


def arrival(stack: Stack, token: str, files: list[Path]) -> dict[str, float]:
    """A study by one C-STORE association, watched from outside."""
    uid, count = uid_of(files), len(files)
    portal = portal_target(stack, token)
    listener = Listener(stack.port, token, count)
    if not listener.ready.wait(10):
        raise RuntimeError("the socket does not open")
    stored = _FirstImage(stack)
    before = _spent(stack)
    start = time.perf_counter()
    stack.storescu(files)
    sent = time.perf_counter()
    archived, _ = until_archived(portal, uid, count)
    if not listener.done.wait(60):
        raise RuntimeError("the socket never showed the final count")
    first_stored = stored.result()
    after = _spent(stack)
    return {
        **{f"cpu_ms_{name}": (after[name] - before[name]) / count * 1000 for name in before},
        # Each from its own first image to its last: what is not a question of the start.
        "pace_ratio": (sent - first_stored) / (archived - listener.first),
        "orthanc_instances_per_s": count / (sent - start),
        "follower_instances_per_s": count / (archived - start),
        "follower_ratio": (sent - start) / (archived - start),
        "first_row_s": listener.first - first_stored,
        "archived_after_store_s": archived - sent,
        "final_count_after_store_s": listener.final - sent,
    }


def keeping_up(stack: Stack, token: str, files: list[Path]) -> dict[str, float]:
    """The same over a long study, where the seconds of beginning and end weigh less."""
    found = arrival(stack, token, files)
    names = (
        *("orthanc_instances_per_s", "follower_instances_per_s", "follower_ratio", "pace_ratio"),
        *(name for name in found if name.startswith("cpu_ms_")),
    )
    return {f"long_{name}": found[name] for name in names} | {"long_images": float(len(files))}


def catching_up(stack: Stack, token: str, files: list[Path]) -> dict[str, float]:
    """What the follower can do by itself: Orthanc fills while it may not look, then it may."""
    uid, count = uid_of(files), len(files)
    portal = portal_target(stack, token)
    server = "from studies.models import OrthancServer as S; S.objects.update(is_enabled={})"
    stack.shell(server.format(False))
    start = time.perf_counter()
    stack.storescu(files)
    alone = count / (time.perf_counter() - start)
    time.sleep(1)
    stack.shell(server.format(True) + "; from studies.tasks import follow_changes as f; f.delay(1)")
    first, seen = until_archived(portal, uid, 1)
    last, _ = until_archived(portal, uid, count)
    rate_alone = (count - seen) / (last - first)
    return {
        "orthanc_alone_instances_per_s": alone,
        "follower_alone_instances_per_s": rate_alone,
        "follower_alone_ratio": rate_alone / alone,
    }


def _spent(stack: Stack) -> dict[str, float]:
    """Seconds of processor time by process."""
    sender = resource.getrusage(resource.RUSAGE_CHILDREN)
    names = ("orthanc", "follow", "worker", "web")
    return {"storescu": sender.ru_utime + sender.ru_stime} | {
        name: busy(stack.pid(name)) for name in names
    }


class _FirstImage(threading.Thread):
    """Notes when Orthanc holds one image more than before."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self._target_server = orthanc_target(stack)
        self._at = 0.0
        self._connection = HTTPConnection("127.0.0.1", self._target_server.port, timeout=10)
        self._before = self._last()
        self.start()

    def _last(self) -> int:
        self._connection.request("GET", "/changes?last", headers=self._target_server.headers)
        return int(json.loads(self._connection.getresponse().read())["Last"])

    def run(self) -> None:
        while self._last() == self._before:
            time.sleep(0.03)
        self._at = time.perf_counter()

    def result(self) -> float:
        self.join(10)
        return self._at


def until_archived(portal: Target, uid: str, wanted: int) -> tuple[float, int]:
    """When at least `wanted` images are there, and how many then."""
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


def uid_of(files: list[Path]) -> str:
    return str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)


def table_rows(found: dict[str, float]) -> list[Row]:
    """Of `arrival`, `keeping_up` and `catching_up` together."""
    rows = []
    for kind, prefix in (("200 images", ""), (f"{found['long_images']:.0f} images", "long_")):
        rows += [
            Row(
                f"C-STORE into Orthanc, one association, {kind}",
                f"{found[prefix + 'orthanc_instances_per_s']:.0f}/s",
            ),
            Row(
                "archived by the follower, first image sent to last archived",
                "",
                f"{found[prefix + 'follower_instances_per_s']:.0f}/s",
                f"{found[prefix + 'follower_ratio']:.2f}",
            ),
            Row(
                "each from its own first image to its last",
                "",
                "",
                f"{found[prefix + 'pace_ratio']:.2f}",
            ),
        ]
    spent = {name: found[f"long_cpu_ms_{name}"] for name in ("storescu", "orthanc", "follow")}
    others = found["long_cpu_ms_web"] + found["long_cpu_ms_worker"]
    return [
        *rows,
        Row(
            "processor time an image of those: storescu and Orthanc; follower, web and worker",
            f"{spent['storescu']:.1f} + {spent['orthanc']:.1f} ms",
            f"{spent['follow']:.1f} + {others:.1f} ms",
        ),
        Row(
            "the same, Orthanc and follower each by itself",
            f"{found['orthanc_alone_instances_per_s']:.0f}/s",
            f"{found['follower_alone_instances_per_s']:.0f}/s",
            f"{found['follower_alone_ratio']:.2f}",
        ),
        Row("first row after the first image is stored", "", f"{found['first_row_s']:.2f} s"),
        Row("200 archived after storescu ends", "", f"{found['archived_after_store_s']:.2f} s"),
        Row(
            "final count on the socket after storescu ends",
            "",
            f"{found['final_count_after_store_s']:.2f} s",
        ),
    ]
