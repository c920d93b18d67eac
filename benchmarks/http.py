"""HTTP measurements: wrk for rates, plain requests for latencies."""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from tests.servers.stack import Stack

SCRIPT = """
local paths = {%s}
local headers = {%s}
local i = 0
bad = 0
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() bad = 0 end
function request()
  i = i %% #paths + 1
  return wrk.format("GET", paths[i], headers)
end
function response(status) if status ~= 200 then bad = bad + 1 end end
function done(summary)
  local failed = 0
  for _, thread in ipairs(threads) do failed = failed + thread:get("bad") end
  io.write(string.format("R %%d %%d %%d\\n", summary.requests, summary.duration, failed))
end
"""


@dataclass(frozen=True)
class Target:
    """A server on this machine and what it wants to see."""

    port: int
    headers: dict[str, str]


class Row(NamedTuple):
    """A line of the table; figures are text with their units."""

    work: str
    orthanc: str = ""
    portal: str = ""
    ratio: str = ""


def orthanc_target(stack: Stack) -> Target:
    credentials = ":".join(stack.orthanc_credentials).encode()
    return Target(
        stack.orthanc_http_port,
        {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"},
    )


def portal_target(stack: Stack, token: str) -> Target:
    return Target(stack.port, {"Authorization": f"Bearer {token}"})


def _lua(values: list[str]) -> str:
    return ",".join(f'"{value}"' for value in values)


def rate(target: Target, paths: list[str], connections: int, seconds: int = 4) -> float:
    """Requests per second over keep-alive; raises where an answer is not 200."""
    headers = ",".join(
        f'["{k}"]="{v.replace(chr(34), chr(92) + chr(34))}"' for k, v in target.headers.items()
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as script:
        script.write(SCRIPT % (_lua(paths), headers))
    try:
        out = subprocess.run(
            [
                "wrk",
                "-t1",
                f"-c{connections}",
                f"-d{seconds}s",
                "--timeout",
                "20s",
                "-s",
                script.name,
                f"http://127.0.0.1:{target.port}",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    finally:
        Path(script.name).unlink()
    found = re.search(r"^R (\d+) (\d+) (\d+)", out, re.M)
    if not found or int(found[3]):
        raise RuntimeError(f"wrk saw failures on {paths[0]}:\n{out}")
    return int(found[1]) / (int(found[2]) / 1e6)


def latencies(target: Target, path: str, times: int = 30, **headers: str) -> tuple[float, float]:
    """Median and 95th percentile in ms of one request after another on one connection."""
    connection = HTTPConnection("127.0.0.1", target.port, timeout=60)
    took: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        connection.request("GET", path, headers={**target.headers, **headers})
        answer = connection.getresponse()
        answer.read()
        took.append((time.perf_counter() - start) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{path} answers {answer.status}")
    connection.close()
    return median(took), quantiles(took, n=20)[-1]
