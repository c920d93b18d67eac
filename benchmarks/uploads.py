"""What the agent costs over plain posts: many 39 KB files in a folder, a server that only answers.

`python -m benchmarks.uploads [files]`. Processor time for each file counts; files per second too,
where the machine is idle.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from aiohttp import web

from benchmarks.http import Row
from tests.agents_site.running import RunningAgent, folder_section
from tests.agents_site.test_folders import image
from tests.servers.child import ChildServer
from tests.servers.ports import free_port, wait_until

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


async def plain(url: str, files: list[Path]) -> None:
    """Read, hash and post each, four at a time."""
    waiting = list(files)

    async def work(session: aiohttp.ClientSession) -> None:
        while waiting:
            data = waiting.pop().read_bytes()
            headers = {
                "Content-Type": "application/dicom",
                "X-Content-SHA256": hashlib.sha256(data).hexdigest(),
            }
            async with session.post(url, data=data, headers=headers) as answer:
                assert answer.status == 201
                await answer.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(work(session) for _ in range(AT_ONCE)))


def used(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(folder: Path, count: int = 2000) -> dict[str, float]:
    """Files per second and processor milliseconds for each, plain and by the agent."""
    folder.mkdir(parents=True, exist_ok=True)
    source, inbox = folder / "source", folder / "in"
    source.mkdir()
    files = [source / f"{number}.dcm" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(image(number))
    port = free_port()
    server = ChildServer(folder / "server.log")
    server.launch([sys.executable, "-m", "benchmarks.uploads", "--serve", str(port)], cwd=Path())
    url = f"http://127.0.0.1:{port}"
    found: dict[str, float] = {}
    try:
        wait_until(lambda: _answers(url), 30, "the server")
        began, busy = time.monotonic(), time.process_time()
        asyncio.run(plain(f"{url}/api/dicom/upload", files))
        found["upload_plain_per_s"] = count / (time.monotonic() - began)
        found["upload_plain_cpu_ms"] = (time.process_time() - busy) / count * 1000
        section = folder_section(inbox, settle_seconds=1.0, scan_seconds=3600)
        with RunningAgent(folder / "agent", url, sections=section) as agent:
            time.sleep(2)
            assert agent.child.process is not None
            pid = agent.child.process.pid
            for file in files:
                file.rename(inbox / file.name)
            wait_until(lambda: sum(agent.states().values()) > 0, 60, "the first")
            began, busy, first = time.monotonic(), used(pid), sum(agent.states().values())
            agent.wait_states(600, done=count)
            rest = count - first
            found["upload_agent_per_s"] = rest / (time.monotonic() - began)
            found["upload_agent_cpu_ms"] = (used(pid) - busy) / rest * 1000
    finally:
        server.end()
    return found


def _answers(url: str) -> bool:
    async def ask() -> int:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status

    try:
        return asyncio.run(ask()) == 404
    except aiohttp.ClientError:
        return False


def table_rows(found: dict[str, float]) -> list[Row]:
    share = found["upload_agent_per_s"] / found["upload_plain_per_s"]
    return [
        (
            "agent: 39 KB files from a folder (beside: plain aiohttp posts)",
            f"{found['upload_plain_per_s']:.0f}/s, {found['upload_plain_cpu_ms']:.2f} ms CPU",
            f"{found['upload_agent_per_s']:.0f}/s, {found['upload_agent_cpu_ms']:.2f} ms CPU",
            f"{share:.0%}",
        )
    ]


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), int(sys.argv[1]) if sys.argv[1:] else 2000)
    print(json.dumps({name: round(value, 2) for name, value in found.items()}, indent=1))


if __name__ == "__main__":
    main()
