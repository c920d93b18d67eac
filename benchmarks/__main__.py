"""`make bench`: a fresh portal with its Orthanc, one run, a table and var/bench.json.

`python -m benchmarks arrival retrieval` measures those parts only.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import (
    agents,
    arrival,
    backup,
    open_lists,
    qido,
    rendered,
    report_search,
    reporting,
    retrieval,
    scale,
    stow,
    uploads,
    viewer,
    workers,
    worklist,
    worklist_scale,
)
from benchmarks.http import Row
from studies.demo import synth
from tests.servers import migrated
from tests.servers.portal import Portal
from tests.servers.stack import Stack
from tests.servers.uvicorn import DataPlaneProcesses

Found = dict[str, float]
SLICES = 200
LONG = 1000
MAKE_TOKEN = """
from pacs.accounts.models import ApiToken, Membership, Site, User
from django.test import Client
site = Site.objects.order_by('id').first()
user = User.objects.create_user('bench')
Membership.objects.create(user=user, site=site, role='radiologist')
Membership.objects.create(user=user, site=site, role='technician')
client = Client(); client.force_login(user)
token = ApiToken.issue(user, 'bench', scopes=['read', 'write'])[1]
print(token, client.cookies['lightbox_session'].value, site.slug)
"""


@dataclass(frozen=True)
class Bench:
    """What the parts of a run share."""

    stack: Stack
    folder: Path
    token: str
    cookie: str
    slug: str
    slices: list[Path]

    def series(self, seed: int, count: int = SLICES) -> list[Path]:
        return synth.ct_series(self.folder / f"ct{seed}", slices=count, size=512, seed=seed)


def measure_arrival(bench: Bench) -> Found:
    stack, token = bench.stack, bench.token
    return (
        arrival.arrival(stack, token, bench.slices)
        | arrival.keeping_up(stack, token, bench.series(79, LONG))
        | arrival.catching_up(stack, token, bench.series(78))
    )


def measure_retrieval(bench: Bench) -> Found:
    stack, token = bench.stack, bench.token
    with DataPlaneProcesses(stack, 2) as production:
        found = retrieval.metadata_and_frames(stack, token, bench.slices, production.port)
    return (
        found
        | retrieval.one_frame_of_many(stack, token, bench.folder)
        | retrieval.memory(stack, token, bench.folder)
    )


def measure_stow(bench: Bench) -> Found:
    return stow.measure(bench.stack, bench.token, bench.slices)


def measure_rendered(bench: Bench) -> Found:
    stack, token = bench.stack, bench.token
    radiographs = rendered.radiographs(bench.folder)
    stack.storescu(radiographs)
    rendered.until_archived(stack, token, radiographs)
    return rendered.measure(stack, token, bench.slices, radiographs)


def measure_qido(bench: Bench) -> Found:
    return qido.measure(bench.folder)


def measure_report_search(bench: Bench) -> Found:
    return report_search.measure(bench.folder / "reports")


def measure_reporting(bench: Bench) -> Found:
    return reporting.measure(bench.stack, bench.token, bench.cookie, bench.folder / "reporting")


def measure_worklist(bench: Bench) -> Found:
    return worklist.measure(bench.stack, bench.cookie, bench.slug)


def measure_worklist_scale(bench: Bench) -> Found:
    return worklist_scale.measure(bench.folder / "worklist_scale")


def measure_open_lists(bench: Bench) -> Found:
    return open_lists.measure(bench.folder / "open_lists")


def measure_agents(bench: Bench) -> Found:
    agents.more_files()
    portal, folder = Portal(bench.stack), bench.folder / "uploads"
    return (
        asyncio.run(agents.measure(portal, 2000, 50))
        | uploads.measure(folder)
        | uploads.measure_portal(folder, portal)
    )


def measure_backup(bench: Bench) -> Found:
    return backup.measure(bench.folder / "backup")


def measure_scale(bench: Bench) -> Found:
    return scale.measure()


def measure_viewer(bench: Bench) -> Found:
    return viewer.measure(bench.folder / "viewer")


def measure_workers(bench: Bench) -> Found:
    return workers.measure()


PARTS: dict[str, tuple[Callable[[Bench], Found], Callable[[Found], list[Row]]]] = {
    "arrival": (measure_arrival, arrival.table_rows),
    "retrieval": (measure_retrieval, retrieval.table_rows),
    "rendered": (measure_rendered, rendered.table_rows),
    "stow": (measure_stow, stow.table_rows),
    "qido": (measure_qido, qido.table_rows),
    "worklist": (measure_worklist, worklist.table_rows),
    "worklist_scale": (measure_worklist_scale, worklist_scale.table_rows),
    "open_lists": (measure_open_lists, open_lists.table_rows),
    "reporting": (measure_reporting, reporting.table_rows),
    "viewer": (measure_viewer, viewer.table_rows),
    "backup": (measure_backup, backup.table_rows),
    "workers": (measure_workers, workers.table_rows),
    "scale": (measure_scale, scale.table_rows),
    "report_search": (measure_report_search, report_search.table_rows),
    "agents": (
        measure_agents,
        lambda found: agents.table_rows(found) + uploads.table_rows(found),
    ),
}


def table(rows: list[Row]) -> str:
    """Markdown for docs/performance.md."""
    lines = ["| work | Orthanc | portal | ratio |", "|---|---|---|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def main() -> None:
    names = [name for name in PARTS if name in sys.argv[1:]] or list(PARTS)
    found: Found = {}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="lightbox-bench-") as folder:
        migrated.keep_in(Path(folder) / "migrated")
        slices = synth.ct_series(Path(folder) / "ct", slices=SLICES, size=512, seed=77)
        with Stack(Path(folder) / "data", env={"PACS_QUIET_SECONDS": "1"}) as stack:
            token, cookie, slug = stack.shell(MAKE_TOKEN).split()
            bench = Bench(stack, Path(folder), token, cookie, slug, slices)
            if "arrival" not in names:
                arrival.arrival(stack, token, slices)  # the others ask for this study
            for name in names:
                measure, describe = PARTS[name]
                part = measure(bench)
                print(json.dumps({name: part}), flush=True)
                found |= part
                rows += describe(part)
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(table(rows))
    target = Path("var") / "bench.json"
    target.parent.mkdir(exist_ok=True)
    known = json.loads(target.read_text()) if target.exists() and len(names) < len(PARTS) else {}
    known |= {key: round(value, 4) for key, value in found.items()}
    target.write_text(json.dumps(known, indent=1) + "\n")
    print(f"\n{target} written")


if __name__ == "__main__":
    main()
