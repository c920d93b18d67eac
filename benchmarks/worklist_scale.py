"""The worklist at 1,000,000 studies of two sites: first page, filters, sorts, 200 pages deep.

`python -m benchmarks.worklist_scale [COUNT] [sqlite] [postgresql]` fills a portal on each
database and asks over HTTP as a radiologist of both sites.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode

from benchmarks.http import Row
from benchmarks.qido import DAYS, fill_index
from tests.servers.postgres import PostgresServer
from tests.servers.stack import Stack

LARGE = 1_000_000
ROUNDS = 30
WANTED_MS = 200
DEEP = 200
# CSRF: the cookie's secret is taken for the token as well.
SECRET = "b" * 32
MAKE_READER = """
from django.test import Client
from pacs.accounts.models import Membership, Site, User
main = Site.objects.order_by('id').first()
north = Site.objects.create(name='North Clinic', slug='north')
user = User.objects.create_user('bench')
for site in (main, north):
    Membership.objects.create(user=user, site=site, role='radiologist')
client = Client(); client.force_login(user)
print(client.cookies['lightbox_session'].value, main.slug, main.pk, north.pk, user.pk)
"""
# Two in a hundred are work, one in a thousand STAT; half of the patients are the second site's.
MIX = """
UPDATE studies_study SET
  site_id = CASE WHEN patient_ref_id % 2 = 0 THEN {north} ELSE site_id END,
  reading_state = CASE
    WHEN id % 50 = 0 THEN 'unread' WHEN id % 1000 = 1 THEN 'claimed'
    WHEN id % 1000 = 2 THEN 'draft' WHEN id % 1000 = 3 THEN 'preliminary'
    WHEN id % 100 = 7 THEN 'addended' WHEN id % 100 = 8 THEN 'not_needed' ELSE 'final' END,
  priority = CASE WHEN id % 1000 = 0 THEN 0 WHEN id % 100 = 50 THEN 1 ELSE 2 END,
  arrival = CASE
    WHEN id % 50000 = 17 THEN 'receiving' WHEN id % 5 = 1 THEN 'quiet' ELSE 'complete' END,
  reader_id = CASE WHEN id % 1000 < 4 AND id % 1000 > 0 THEN {user} ELSE NULL END,
  claimed_at = CASE WHEN id % 1000 < 4 AND id % 1000 > 0 THEN received_at ELSE NULL END,
  assigned_to_id = CASE WHEN id % 5000 = 0 THEN {user} ELSE NULL END
"""


def fill(count: int, slug: str, north: int, user: int) -> None:
    """Ten years of studies that end today, in the database that the environment names."""

    def mix(cursor: Any) -> None:
        cursor.execute(MIX.format(north=north, user=user))
        cursor.execute(f"UPDATE studies_patient SET site_id = {north} WHERE id % 2 = 0")

    since = datetime.now(UTC).replace(hour=8, minute=0) - timedelta(days=DAYS)
    fill_index(count, slug, images=False, since=since, mix=mix)


def questions(main: int) -> dict[str, dict[str, Any]]:
    """Names and what is asked: `q` makes it a POST, as the page does."""
    today = datetime.now(UTC).date()
    year_ago = today - timedelta(days=365)
    month = {
        "date": "range",
        "date_from": f"{year_ago - timedelta(days=30)}",
        "date_to": f"{year_ago}",
    }
    filters: dict[str, dict[str, Any]] = {
        "today": {"date": "today"},
        "last 7 days": {"date": "7d"},
        "last 30 days": {"date": "30d"},
        "a month a year ago": month,
        "ten years": {**month, "date_from": "2000-01-01"},
        "modality CT": {"modality": "CT"},
        "modality PT, one in 200": {"modality": "PT"},
        "modality MG, none": {"modality": "MG"},
        "site": {"site": main},
        "arrival receiving": {"arrival": "receiving"},
        "arrival quiet": {"arrival": "quiet"},
        "arrival complete": {"arrival": "complete"},
        "overdue": {"show": "overdue"},
        "PT of last 30 days": {"modality": "PT", "date": "30d"},
    }
    found: dict[str, dict[str, Any]] = {"first page": {}}
    for name, asked in filters.items():
        found[f"work, {name}"] = asked
        found[f"all, {name}"] = {**asked, "state": "all"}
    for state in ("unread", "claimed", "draft", "preliminary", "final", "addended", "not_needed"):
        found[f"state {state}"] = {"state": state}
    found["all states"] = {"state": "all"}
    for show in ("assigned", "reading"):
        found[show] = {"show": show, "state": "all"}
    for name, words in {
        "common name": "anna",
        "rare number": "A00000500",
        "two words": "mar ct",
        "exact number": "=A00000500",
        "nothing": "zzyzx",
    }.items():
        found[f"work, search: {name}"] = {"q": words}
        found[f"all, search: {name}"] = {"q": words, "state": "all"}
    for name, asked in {
        "work": {},
        "all": {"state": "all"},
        "all, last 30 days": {"state": "all", "date": "30d"},
        "all, modality CT": {"state": "all", "modality": "CT"},
        "all, site": {"state": "all", "site": main},
        "all, quiet": {"state": "all", "arrival": "quiet"},
    }.items():
        found[f"page {DEEP}, {name}"] = {**asked, "page": DEEP}
    for sort in ("patient", "study", "-study", "waiting", "accession", "description", "state"):
        found[f"work, sorted by {sort}"] = {"sort": sort}
        found[f"all, sorted by {sort}"] = {"sort": sort, "state": "all"}
    return found


class Reader:
    """A browser's requests for the list: the page, or its table."""

    def __init__(self, port: int, cookie: str) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=300)
        self.cookie = f"lightbox_session={cookie}; lightbox_csrf={SECRET}"
        self.origin = f"http://127.0.0.1:{port}"

    def ask(self, asked: Mapping[str, Any]) -> float:
        """Milliseconds until the whole answer is there."""
        headers = {"Cookie": self.cookie, "Accept": "text/html"}
        body = urlencode(asked)
        start = time.perf_counter()
        if asked:
            headers |= {
                "HX-Request": "true",
                "X-CSRFToken": SECRET,
                "Origin": self.origin,
                "Content-Type": "application/x-www-form-urlencoded",
            }
            self.connection.request("POST", "/worklist/table/", body, headers)
        else:
            self.connection.request("GET", "/", headers=headers)
        answer = self.connection.getresponse()
        text = answer.read()
        took = (time.perf_counter() - start) * 1000
        if answer.status != 200:
            raise RuntimeError(f"{body} answers {answer.status}: {text[:300]!r}")
        return took

    def timed(self, asked: Mapping[str, Any], rounds: int = ROUNDS) -> tuple[float, float]:
        """Median and 95th percentile; what takes seconds is asked less often."""
        first = self.ask(asked)
        times = [self.ask(asked) for _ in range(rounds if first < 1000 else 5)]
        return median(times), quantiles(times, n=20, method="inclusive")[-1]


@contextlib.contextmanager
def filled(folder: Path, count: int, env: Mapping[str, str]) -> Iterator[tuple[Stack, Reader, int]]:
    """A portal with `count` studies, the reader of both sites, and the first site's number."""
    with Stack(folder, env={**env, "PACS_IDLE_SECONDS": "40000"}) as stack:
        cookie, slug, main, north, user = stack.shell(MAKE_READER).split()
        stack.stop()
        subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.worklist_scale",
                "fill",
                str(count),
                slug,
                north,
                user,
            ],
            env=stack.variables(),
            check=True,
        )
        stack.start()
        yield stack, Reader(stack.port, cookie), int(main)


def ask_all(reader: Reader, main: int) -> dict[str, tuple[float, float]]:
    found = {}
    for name, asked in questions(main).items():
        found[name] = reader.timed(asked)
        mark = "" if found[name][1] <= WANTED_MS else "   <-- slow"
        print(f"{name:40} {found[name][0]:8.0f} {found[name][1]:8.0f}{mark}", flush=True)
    return found


def measure(
    folder: Path, count: int = LARGE, databases: tuple[str, ...] = ("sqlite", "postgresql")
) -> dict[str, float]:
    """p95 in ms: `worklist_scale_sqlite_first page`, ..."""
    found: dict[str, float] = {}
    for database in databases:
        with contextlib.ExitStack() as stack:
            env = {}
            if database == "postgresql":
                env["DATABASE_URL"] = stack.enter_context(PostgresServer()).url
            print(f"\n{database}, {count:,} studies: median and p95 in ms", flush=True)
            _, reader, main = stack.enter_context(filled(folder / database, count, env))
            for name, (_, high) in ask_all(reader, main).items():
                found[f"worklist_scale_{database}_{name}"] = high
    return found


def table_rows(found: Mapping[str, float]) -> list[Row]:
    """The first page, and the slowest of each kind."""
    kinds = {
        "first page": lambda name: name == "first page",
        "slowest filter": lambda name: not name.startswith("page") and "sorted" not in name,
        f"slowest, page {DEEP}": lambda name: name.startswith("page"),
        "slowest sort of work": lambda name: name.startswith("work, sorted"),
        "slowest sort of all states": lambda name: name.startswith("all, sorted"),
    }
    rows = []
    for database, words in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
        start = f"worklist_scale_{database}_"
        of_it = {key.removeprefix(start): ms for key, ms in found.items() if key.startswith(start)}
        for kind, has in kinds.items():
            name, high = max(
                ((name, ms) for name, ms in of_it.items() if has(name)),
                key=lambda pair: pair[1],
                default=("", 0.0),
            )
            if name:
                work = f"worklist at 1,000,000 on {words}: {kind} ({name}), p95"
                rows.append(Row(work, portal=f"{high:.0f} ms"))
    return rows


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["fill"]:
        fill(int(words[1]), words[2], int(words[3]), int(words[4]))
        return
    count = next((int(word) for word in words if word.isdecimal()), LARGE)
    chosen = tuple(word for word in words if word in {"sqlite", "postgresql"})
    with tempfile.TemporaryDirectory(prefix="lightbox-worklist-") as folder:
        found = measure(Path(folder), count, chosen or ("sqlite", "postgresql"))
    print(json.dumps({name: round(ms, 1) for name, ms in found.items()}))


if __name__ == "__main__":
    main()
