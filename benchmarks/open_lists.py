"""Fifty open worklists while studies arrive: the web process's share of a core.

`python -m benchmarks.open_lists [LISTS] [SECONDS]`. Each list does what the page does: it
listens on the socket and asks for the row of every study that an event names, at most every 300 ms
for one that it shows and every two seconds for another.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import aiohttp
from websockets.asyncio.client import connect

from benchmarks.cpu import busy
from benchmarks.http import Row
from studies.demo import synth
from tests.servers.stack import Stack

LISTS = 50
SECONDS = 120
STUDIES_A_MINUTE = 20
IMAGES = 20
FILLED = 10_000
# static/src/worklist/live.js
SHOWN, HIDDEN, AT_ONCE = 0.3, 2.0, 4
WANTED_PERCENT = 50
MAKE_PEOPLE = """
from django.test import Client
from pacs.accounts.models import Membership, Site, User
site = Site.objects.order_by('id').first()
print(site.slug)
for number in range({lists}):
    user = User.objects.create_user(f'reader{{number}}')
    Membership.objects.create(user=user, site=site, role='radiologist')
    client = Client(); client.force_login(user)
    print(client.cookies['lightbox_session'].value)
"""


@dataclass
class Page:
    """An open worklist: throttled as KeyedThrottle and the slots of live.js are."""

    port: int
    cookie: str
    http: aiohttp.ClientSession
    rows: int = 0
    events: int = 0
    late: list[float] = field(default_factory=list)
    shown: dict[int, bool] = field(default_factory=dict)
    again: dict[int, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.headers = {"Cookie": f"lightbox_session={self.cookie}"}
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.tasks: set[asyncio.Task[None]] = set()

    async def listen(self, ready: asyncio.Event) -> None:
        origin = f"http://127.0.0.1:{self.port}"
        async with connect(
            f"ws://127.0.0.1:{self.port}/ws/worklist/",
            additional_headers={**self.headers, "Origin": origin},
        ) as socket:
            async for text in socket:
                ready.set()
                event = json.loads(text)
                study = event.get("study")
                if study is not None and event["type"].startswith("study."):
                    self.events += 1
                    self.request(study)

    def request(self, study: int) -> None:
        if study in self.again:
            self.again[study] = True
            return
        task = asyncio.create_task(self._run(study))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _run(self, study: int) -> None:
        more = True
        while more:
            self.again[study] = False
            began = time.monotonic()
            async with self.slots:
                await self._row(study)
            pause = SHOWN if self.shown[study] else HIDDEN
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))
            more = self.again.pop(study)

    async def _row(self, study: int) -> None:
        start = time.perf_counter()
        path = f"http://127.0.0.1:{self.port}/worklist/row/{study}/?sort=priority&page=1"
        async with self.http.get(path, headers={**self.headers, "X-Background": "1"}) as answer:
            await answer.read()
            if answer.status not in {200, 204}:
                raise RuntimeError(f"a row answers {answer.status}")
            self.shown[study] = answer.status == 200
        self.rows += 1
        self.late.append((time.perf_counter() - start) * 1000)


async def _arriving(stack: Stack, folder: Path, seconds: int) -> int:
    """Studies by storescu, evenly; how many."""
    began, number = time.monotonic(), 0
    while (left := seconds - (time.monotonic() - began)) > 0:
        files = await asyncio.to_thread(
            synth.ct_series,
            folder / f"arriving{number}",
            slices=IMAGES,
            size=128,
            seed=9000 + number,
            patient_name=f"ARRIVING^{number}",
            patient_id=f"ARR-{number}",
        )
        await asyncio.to_thread(stack.storescu, files)
        number += 1
        next_at = began + number * 60 / STUDIES_A_MINUTE
        await asyncio.sleep(max(0.0, min(left, next_at - time.monotonic())))
    return number


async def _run(stack: Stack, cookies: list[str], folder: Path, seconds: int) -> dict[str, float]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=60)
    ) as http:
        pages = [Page(stack.port, cookie, http) for cookie in cookies]
        ready = [asyncio.Event() for _ in pages]
        lists = [
            asyncio.create_task(page.listen(event))
            for page, event in zip(pages, ready, strict=True)
        ]
        await asyncio.wait_for(asyncio.gather(*(event.wait() for event in ready)), 120)
        pid = stack.pid("web")
        used, began = busy(pid), time.monotonic()
        await asyncio.sleep(20)
        idle = (busy(pid) - used) / (time.monotonic() - began) * 100
        used, began = busy(pid), time.monotonic()
        studies = await _arriving(stack, folder, seconds)
        percent = (busy(pid) - used) / (time.monotonic() - began) * 100
        await asyncio.sleep(5)
        broken = [one for one in lists if one.done()]
        for one in lists:
            one.cancel()
        if broken:
            raise RuntimeError(f"{len(broken)} sockets were closed")
    late = [each for page in pages for each in page.late]
    return {
        "open_lists_idle_cpu_percent": idle,
        "open_lists_cpu_percent": percent,
        "open_lists_studies": studies,
        "open_lists_events": sum(page.events for page in pages),
        "open_lists_rows": len(late),
        "open_lists_row_p95_ms": quantiles(late, n=20, method="inclusive")[-1],
    }


def measure(folder: Path, lists: int = LISTS, seconds: int = SECONDS) -> dict[str, float]:
    """Of the embedded shape, one web process, with 10,000 studies in the index."""
    with Stack(folder / "data", env={"PACS_QUIET_SECONDS": "5"}) as stack:
        slug, *cookies = stack.shell(MAKE_PEOPLE.format(lists=lists)).split()
        subprocess.run(
            [sys.executable, "-m", "benchmarks.fill", str(FILLED), slug],
            env=stack.variables(),
            check=True,
        )
        return asyncio.run(_run(stack, cookies, folder, seconds))


def table_rows(found: dict[str, float]) -> list[Row]:
    share, rows = found["open_lists_cpu_percent"], found["open_lists_rows"]
    work = f"50 open worklists, 20 studies a minute ({rows:.0f} rows asked for): web process"
    return [
        Row(work, portal=f"{share:.0f} % of a core"),
        Row(
            "the same with nothing arriving", portal=f"{found['open_lists_idle_cpu_percent']:.1f} %"
        ),
    ]


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:]]
    lists, seconds = (*numbers, *(LISTS, SECONDS)[len(numbers) :])
    with tempfile.TemporaryDirectory(prefix="lightbox-lists-") as folder:
        print(json.dumps(measure(Path(folder), lists, seconds), indent=1))


if __name__ == "__main__":
    main()
