"""What the agent costs over plain posts: many 39 KB files in a folder.

`python -m benchmarks.uploads [files]`, to a server that only answers; `--portal`, to the portal.
Processor time for each file counts; files per second too, where the machine is idle.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import aiohttp
from aiohttp import web
from pydicom import dcmread
from pydicom.data import get_testdata_file

from benchmarks.cpu import busy
from benchmarks.http import Row
from tests.agents_site.running import RunningAgent, folder_section
from tests.clients.agent import make_agent
from tests.servers.child import ChildServer
from tests.servers.portal import Portal
from tests.servers.ports import free_port, wait_until
from tests.servers.stack import Stack

AT_ONCE = 4
ANSWER = json.dumps({"outcome": "stored", "reason": None, "words": "", "instance": "1.2.3"})


def serve(port: int) -> None:
    """The server: reads what comes and says that it is stored."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=201, text=ANSWER)

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/api/dicom/upload", take)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


async def plain(url: str, files: list[Path], key: str = "") -> None:
    """Read, hash and post each, four at a time."""
    waiting = list(files)
    proof = {"Authorization": f"Bearer {key}"} if key else {}

    async def work(session: aiohttp.ClientSession) -> None:
        while waiting:
            data = waiting.pop().read_bytes()
            headers = {
                "Content-Type": "application/dicom",
                "X-Content-SHA256": hashlib.sha256(data).hexdigest(),
                **proof,
            }
            async with session.post(url, data=data, headers=headers) as answer:
                assert answer.status == 201, await answer.text()
                await answer.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(work(session) for _ in range(AT_ONCE)))


def files_in(folder: Path, numbers: range) -> list[Path]:
    """Instances of 39 KB like no others, each in a file."""
    folder.mkdir(parents=True)
    small = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    uid = str(dcmread(BytesIO(small), stop_before_pixels=True).SOPInstanceUID).encode()
    start = time.time_ns() % 10**9
    made = []
    for number in numbers:
        fresh = b"2.25.1%09d%06d" % (start, number)
        path = folder / f"{number}.dcm"
        path.write_bytes(small.replace(uid, fresh.ljust(len(uid), b"1")[: len(uid)]))
        made.append(path)
    return made


@dataclass
class Rate:
    """Files, the seconds and the seconds of the sender's processor that they took."""

    files: int = 0
    seconds: float = 0.0
    busy: float = 0.0

    def add(self, files: int, seconds: float, busy: float) -> None:
        self.files += files
        self.seconds += seconds
        self.busy += busy

    def named(self, name: str) -> dict[str, float]:
        return {
            f"{name}_per_s": self.files / self.seconds,
            f"{name}_cpu_ms": self.busy / self.files * 1000,
        }


def compare(folder: Path, url: str, count: int, key: str, name: str) -> dict[str, float]:
    """Plain posts before and after the agent's, to the same server."""
    rates = {"plain": Rate(), "agent": Rate()}

    def post(numbers: range) -> None:
        files = files_in(folder / f"plain-{numbers.start}", numbers)
        began, used = time.monotonic(), time.process_time()
        asyncio.run(plain(f"{url}/api/dicom/upload", files, key))
        rates["plain"].add(count, time.monotonic() - began, time.process_time() - used)

    post(range(count))
    inbox = folder / "in"
    section = folder_section(inbox, settle_seconds=1.0, scan_seconds=3600)
    with RunningAgent(folder / "agent", url, key=key or "lba_none", sections=section) as agent:
        files = files_in(folder / "source", range(count, 2 * count))
        time.sleep(2)
        assert agent.child.process is not None
        pid = agent.child.process.pid
        for file in files:
            file.rename(inbox / file.name)
        wait_until(lambda: sum(agent.states().values()) > 0, 60, "the first")
        began, used, first = time.monotonic(), busy(pid), sum(agent.states().values())
        agent.wait_states(600, done=count)
        rates["agent"].add(count - first, time.monotonic() - began, busy(pid) - used)
    post(range(2 * count, 3 * count))
    return {key: value for who in rates for key, value in rates[who].named(f"{name}_{who}").items()}


def measure(folder: Path, count: int = 2000) -> dict[str, float]:
    """Files per second and processor milliseconds for each, plain and by the agent, to a server
    that only answers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    server = ChildServer(folder / "server.log")
    server.launch([sys.executable, "-m", "benchmarks.uploads", "--serve", str(port)], cwd=Path())
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url), 30, "the server")
        return compare(folder / "bare", url, count, "", "upload")
    finally:
        server.end()


def measure_portal(folder: Path, portal: Portal, count: int = 600) -> dict[str, float]:
    """The same to the portal, which stores them."""
    _, key = make_agent(portal, "Uploads")
    return compare(folder / "portal", portal.stack.base_url, count, key, "upload_portal")


def _answers(url: str) -> bool:
    async def ask() -> int:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status

    try:
        return asyncio.run(ask()) == 404
    except aiohttp.ClientError:
        return False


def table_rows(found: dict[str, float]) -> list[Row]:
    rows = []
    for name, server in (("upload", "a server that only answers"), ("upload_portal", "the portal")):
        if f"{name}_agent_per_s" not in found:
            continue
        share = found[f"{name}_agent_per_s"] / found[f"{name}_plain_per_s"]
        rows.append(
            Row(
                f"agent: 39 KB files to {server} (beside: plain aiohttp posts)",
                f"{found[f'{name}_plain_per_s']:.0f}/s, {found[f'{name}_plain_cpu_ms']:.2f} ms CPU",
                f"{found[f'{name}_agent_per_s']:.0f}/s, {found[f'{name}_agent_cpu_ms']:.2f} ms CPU",
                f"{share:.0%}",
            )
        )
    return rows


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1:2] == ["--portal"]:
            with Stack(Path(folder) / "portal") as stack:
                found = measure_portal(Path(folder), Portal(stack))
        else:
            found = measure(Path(folder), int(sys.argv[1]) if sys.argv[1:] else 2000)
    print(json.dumps({name: round(value, 2) for name, value in found.items()}, indent=1))


if __name__ == "__main__":
    main()
