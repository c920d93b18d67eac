"""Writing and signing a report: opening the editor, saving it, its PDF."""

from __future__ import annotations

import json
import time
import uuid
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from pydicom import dcmread

from benchmarks.http import Row, Target, latencies, portal_target
from studies.demo import synth
from tests.servers.portal import wait
from tests.servers.stack import Stack

REPORTS = 10
SAVES = 200
LINES = (
    "The lungs are clear, no nodule, no infiltrate, no effusion on either side.",
    "No enlarged mediastinal, hilar or axillary nodes; the great vessels are of normal width.",
    "The liver, spleen, pancreas, kidneys and adrenals are of normal size, shape and density.",
    "No fracture and no lytic or blastic lesion of the bones shown; degenerative changes.",
)
STUDIES = """
import json
from studies.models import Study
uids = {uids!r}
rows = Study.objects.filter(study_instance_uid__in=uids).values_list("study_instance_uid", "pk")
print(json.dumps(dict(rows)))
"""
SIGN = """
import json
from django.contrib.auth import get_user_model
from reports.models import Report
from reports.signing import services
from reports.signing.examination import Unanswered
user, made = get_user_model().objects.get(username="bench"), []
for pk in {reports!r}:
    revision = Report.objects.get(pk=pk).revision
    try:
        version = services.sign(pk, user, kind="final", revision=revision)
    except Unanswered as asked:
        answers = dict((each["key"], "checked") for each in asked.detail["findings"])
        version = services.sign(pk, user, kind="final", revision=revision, answers=answers)
    made.append(version.pk)
print(json.dumps(made))
"""


class _Client:
    """One kept connection of the radiologist."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.connection = HTTPConnection("127.0.0.1", target.port, timeout=60)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[float, bytes]:
        """Milliseconds, and what came."""
        headers = {**self.target.headers, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        start = time.perf_counter()
        self.connection.request(method, path, body=data, headers=headers)
        answer = self.connection.getresponse()
        found = answer.read()
        took = (time.perf_counter() - start) * 1000
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path} answers {answer.status}: {found[:200]!r}")
        return took, found


def _studies(stack: Stack, folder: Path) -> list[tuple[int, str, str]]:
    """New studies of one image: their number, the image's series and SOP Instance UID."""
    files = [
        synth.ct_series(folder / str(seed), slices=1, size=512, seed=900 + seed)[0]
        for seed in range(REPORTS)
    ]
    stack.storescu(files)
    images = [dcmread(path, stop_before_pixels=True) for path in files]
    uids = [str(each.StudyInstanceUID) for each in images]
    found: dict[str, int] = {}

    def all_there() -> bool:
        found.update(json.loads(stack.shell(STUDIES.format(uids=uids))))
        return len(found) == REPORTS

    wait(all_there, 60, "the studies to report on")
    return [
        (found[str(one.StudyInstanceUID)], str(one.SeriesInstanceUID), str(one.SOPInstanceUID))
        for one in images
    ]


def _written(content: dict[str, Any], turn: int) -> dict[str, Any]:
    """Two pages of text, other words each turn."""
    for section in content["sections"]:
        if section["key"] == "findings":
            section["html"] = "".join(f"<p>{line} ({turn})</p>" for line in LINES * 10)
        if section["key"] == "impression":
            section["html"] = f"<p>Normal examination ({turn}).</p>"
    return content


def measure(stack: Stack, token: str, cookie: str, folder: Path) -> dict[str, float]:
    """Each study is opened, written, signed and printed to PDF once, by one radiologist."""
    target = portal_target(stack, token)
    client = _Client(target)
    opened: list[float] = []
    saved: list[float] = []
    reports: list[int] = []
    places = _studies(stack, folder)
    for study, series, instance in places:
        took, body = client.ask("POST", f"/api/studies/{study}/report/")
        more, _ = client.ask("GET", f"/api/studies/{study}/report/material/")
        opened.append(took + more)
        state = json.loads(body)
        report, content, revision = state["report"], state["content"], state["revision"]
        content["template"], content["key_images"] = None, []  # no required fields
        for _ in range(2):
            key = str(uuid.uuid4())
            place = {"series_instance_uid": series, "sop_instance_uid": instance, "frame": 1}
            window = {"window_center": 40, "window_width": 400}
            client.ask("PUT", f"/api/studies/{study}/key-images/{key}/", {**place, **window})
            content["key_images"].append({"id": key, "caption": ""})
        for turn in range(SAVES // REPORTS):
            draft = {"content": _written(content, turn), "revision": revision}
            took, body = client.ask("PUT", f"/api/reports/{report}/draft/", draft)
            saved.append(took)
            revision = json.loads(body)["revision"]
        reports.append(report)
    page = Target(stack.port, {"Cookie": f"lightbox_session={cookie}", "Accept": "text/html"})
    page_ms, page_p95 = latencies(page, f"/studies/{places[0][0]}/view/?report=1")
    versions = json.loads(stack.shell(SIGN.format(reports=reports)))
    browser = _Client(page)
    made = [browser.ask("GET", f"/reports/versions/{each}/report.pdf")[0] for each in versions]
    return {
        "report_open_ms": median(opened),
        "report_open_worst_ms": max(opened),
        "report_page_ms": page_ms,
        "report_page_p95_ms": page_p95,
        "report_autosave_ms": median(saved),
        "report_autosave_p95_ms": quantiles(saved, n=20)[-1],
        "report_pdf_first_ms": made[0],
        "report_pdf_ms": median(made[1:]),
        "report_pdf_worst_ms": max(made[1:]),
    }


def table_rows(found: dict[str, float]) -> list[Row]:
    def ms(name: str) -> str:
        return f"{found[f'report_{name}_ms']:.0f} ms"

    return [
        Row("editor opened: claimed, draft made, templates and macros; median, worst", "",
            f"{ms('open')}, {ms('open_worst')}"),
        Row("viewer's page with the editor; median, p95", "", f"{ms('page')}, {ms('page_p95')}"),
        Row("autosave of two pages; median, p95", "",
            f"{ms('autosave')}, {ms('autosave_p95')}"),
        Row("PDF of two pages with two key images; the first of a process, median, worst", "",
            f"{ms('pdf_first')}, {ms('pdf')}, {ms('pdf_worst')}"),
    ]  # fmt: skip
