"""Search and statistics over 100,000 reports on SQLite and PostgreSQL.

`python -m benchmarks.report_search` runs both; `python -m benchmarks.report_search fill COUNT` and
`... ask` work on the installation that the environment names.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.http import Row
from tests.servers.postgres import PostgresServer

REPORTS = 100_000
ROUNDS = 20
QUERIES = {
    "rare": "sarcoidosis",
    "word": "pneumothorax",
    "common": "normal",
    "two": "pulmonary nodule",
    "phrase": '"no pleural effusion"',
    "prefix": "pneu",
    "short prefix": "p",
    "minus": "fracture -old",
    "nothing": "xylophone",
}
_SENTENCES = (
    "The heart is normal in size.",
    "No pleural effusion.",
    "No focal consolidation.",
    "There is a pulmonary nodule of {n} mm in the {side} upper lobe.",
    "Degenerative changes of the spine.",
    "The liver is normal in size and shape without focal lesion.",
    "Old fracture of the {side} seventh rib.",
    "Fracture of the distal {side} radius without displacement.",
    "No intracranial haemorrhage, no midline shift.",
    "The ventricles are of normal width.",
    "The {side} kidney shows a simple cyst of {n} mm.",
    "Small {side} pneumothorax, {n} mm.",
    "Calcified granuloma, unchanged.",
    "The gallbladder contains stones up to {n} mm.",
    "Status after {side} hip replacement, position unchanged.",
    "Mild atelectasis at the {side} base.",
    "The menisci and cruciate ligaments are intact.",
    "Enlarged mediastinal lymph nodes up to {n} mm.",
    "The aorta has a diameter of {n} mm.",
    "Soft tissues are unremarkable.",
)
_RARE = "Findings are compatible with sarcoidosis."


def _text(dice: random.Random) -> str:
    lines = dice.sample(_SENTENCES, dice.randrange(9, 16))
    if dice.random() < 0.0005:
        lines.append(_RARE)
    return "\n".join(
        line.format(n=dice.randrange(2, 60), side=dice.choice(("left", "right"))) for line in lines
    )


def fill(count: int) -> None:
    """`count` studies with a final report each, at two sites: four fifths at the first."""
    import django

    django.setup()
    from django.utils import timezone

    from benchmarks.fill import fill as fill_studies
    from pacs.accounts.models import Membership, Site, User
    from reports.models import Report, ReportVersion
    from reports.search.index import rebuild
    from studies.models import Study, StudyGrant

    first = Site.objects.order_by("id").first() or Site.objects.create(
        name="Main", slug="main", timezone="Europe/Berlin"
    )
    second = Site.objects.get_or_create(slug="north", defaults={"name": "North"})[0]
    readers = []
    for number in range(12):
        user = User.objects.get_or_create(username=f"reader{number}")[0]
        Membership.objects.get_or_create(user=user, site=first, role="radiologist")
        readers.append(user)
    referrer = User.objects.get_or_create(username="bench-referrer")[0]
    Membership.objects.get_or_create(user=referrer, site=first, role="referrer")
    north = User.objects.get_or_create(username="bench-north")[0]
    Membership.objects.get_or_create(user=north, site=second, role="radiologist")
    fill_studies(count * 4 // 5, first)
    fill_studies(count - count * 4 // 5, second, first=count * 4 // 5)
    dice = random.Random(7)
    now = timezone.now()
    ids = list(Study.objects.order_by("received_at").values_list("id", "site_id", "received_at"))
    for start in range(0, len(ids), 2000):
        reports, texts = [], []
        for study, site, received in ids[start : start + 2000]:
            reader = dice.choice(readers)
            done = min(now, received + timedelta(minutes=int(dice.lognormvariate(4, 1))))
            reports.append(
                Report(
                    site_id=site, study_id=study, state="final", author=reader, saved_by=reader,
                    first_final_at=done, created_at=received, saved_at=done,
                )
            )  # fmt: skip
            texts.append((_text(dice), reader, done))
        made = Report.objects.bulk_create(reports)
        ReportVersion.objects.bulk_create(
            ReportVersion(
                report=report, number=1, kind="final", content={}, content_sha256="0" * 64,
                previous_sha256="0" * 64, chain_sha256="0" * 64, signer=reader, signed_at=done,
                text=text,
            )
            for report, (text, reader, done) in zip(made, texts, strict=True)
        )  # fmt: skip
    StudyGrant.objects.bulk_create(
        StudyGrant(study_id=study, user=referrer, granted_by=readers[0])
        for study, site, _ in ids[-20_000::20]
        if site == first.pk
    )
    rebuild()
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def ask() -> dict[str, float]:
    """Medians and 95th percentiles in ms, of the function and of the page, by who asks."""
    import django

    django.setup()
    from django.conf import settings
    from django.test import Client

    from pacs.accounts.models import User
    from reports.search.find import search

    settings.ALLOWED_HOSTS = ["testserver"]
    found: dict[str, float] = {}
    for who in ("reader0", "bench-north", "bench-referrer"):
        user = User.objects.get(username=who)
        for name, text in QUERIES.items():
            found |= _timed(f"{who} {name}", lambda text=text: search(user, text, limit=50))  # noqa: B023
    if "functions" not in sys.argv:
        found |= _pages(Client(), User.objects.get(username="reader0"))
    return found


def _timed(name: str, call: Callable[[], Any]) -> dict[str, float]:
    """Wall clock, and processor time of this process: on SQLite that is all of the work, and it
    says something on a busy machine as well."""
    took, worked = [], []
    for _ in range(ROUNDS):
        start, cpu = time.perf_counter(), time.process_time()
        call()
        took.append((time.perf_counter() - start) * 1000)
        worked.append((time.process_time() - cpu) * 1000)
    return {
        f"{name} p95": quantiles(took, n=20)[-1],
        f"{name} median": median(took),
        f"{name} cpu": quantiles(worked, n=20)[-1],
    }


def _pages(client: Any, user: Any) -> dict[str, float]:
    found = {}
    client.force_login(user)
    today = datetime.now(UTC).date()
    three_years = {"from": str(today - timedelta(days=1095)), "to": str(today)}
    for name, call in (
        ("page search", lambda: client.post("/reports/search/", {"q": "pulmonary nodule"})),
        ("page statistics 3 years", lambda: client.get("/statistics/", three_years)),
        ("page statistics 30 days", lambda: client.get("/statistics/")),
        ("page list", lambda: client.get("/reports/")),
    ):
        if (status := call().status_code) != 200:
            raise RuntimeError(f"{name} answers {status}")
        found |= _timed(name, call)
    return found


def _of(folder: Path, url: str, count: int) -> dict[str, float]:
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PACS_")},
        "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
        "PACS_DATA_DIR": str(folder),
        "DATABASE_URL": url,
    }
    folder.mkdir(parents=True, exist_ok=True)
    manage = [sys.executable, "manage.py"]
    command = [sys.executable, "-m", "benchmarks.report_search"]
    subprocess.run([*manage, "migrate", "--verbosity", "0"], env=variables, check=True)
    collect = [*manage, "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(collect, env=variables, check=True)
    subprocess.run([*command, "fill", str(count)], env=variables, check=True)
    out = subprocess.run([*command, "ask"], env=variables, check=True, stdout=subprocess.PIPE)
    result: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return result


def measure(folder: Path, count: int = REPORTS) -> dict[str, float]:
    """Milliseconds, by `report_search_<database>_<who> <query> p95`."""
    parts = {"sqlite": _of(folder / "sqlite", "", count)}
    with PostgresServer() as server:
        parts["postgresql"] = _of(folder / "postgres", server.url, count)
    return {
        f"report_search_{name}_{key}": value
        for name, part in parts.items()
        for key, value in part.items()
    }


def table_rows(found: Mapping[str, float]) -> list[Row]:
    """Work, portal."""
    rows = []
    for database, words in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
        before = f"report_search_{database}_"
        worst = max(
            value
            for key, value in found.items()
            if key.startswith(before)
            and key.endswith(" p95")
            and " page " not in f" {key[len(before) :]}"
        )
        rows.append(
            Row(f"search over 100,000 reports on {words}, worst p95", portal=f"{worst:.0f} ms")
        )
        for key, value in found.items():
            if key.startswith(f"{before}page") and key.endswith("p95"):
                rows.append(Row(f"{key[len(before) :]} on {words}", portal=f"{value:.0f} ms"))
    return rows


def main() -> None:
    if sys.argv[1:2] == ["fill"]:
        fill(int(sys.argv[2]))
    elif sys.argv[1:2] == ["ask"]:
        print(json.dumps(ask()))
    else:
        with tempfile.TemporaryDirectory(prefix="lightbox-search-") as folder:
            found = measure(Path(folder))
        for key, value in found.items():
            print(f"{key}: {value:.1f}")
        for row in table_rows(found):
            print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
