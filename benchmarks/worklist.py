"""The worklist's first page with many studies."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.http import Row, Target, latencies
from tests.servers.stack import Stack

STUDIES = 100_000


def measure(stack: Stack, cookie: str, slug: str) -> dict[str, float]:
    """Fill the index and ask for the page, as a radiologist of one site."""
    subprocess.run(
        [sys.executable, "-m", "benchmarks.fill", str(STUDIES), slug],
        env=stack.variables(),
        check=True,
    )
    page = Target(stack.port, {"Cookie": f"lightbox_session={cookie}", "Accept": "text/html"})
    middle, high = latencies(page, "/", 60)
    return {"worklist_first_page_ms": middle, "worklist_first_page_p95_ms": high}


def table_rows(found: dict[str, float]) -> list[Row]:
    high = found["worklist_first_page_p95_ms"]
    return [Row("worklist's first page at 100,000 studies, p95", "", f"{high:.0f} ms")]
