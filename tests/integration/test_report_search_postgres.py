"""Search and statistics of reports on a real PostgreSQL: the same answers as on SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.test_postgres import manage
from tests.integration.test_search_postgres import portal
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.integration

ASK = """
import json, datetime
from datetime import timedelta, timezone as tz
from pacs.accounts.models import Membership, Site, User
from reports.models import Report, ReportVersion
from reports.search.find import search, Filters
from reports.search.index import refresh, rebuild
from reports.statistics import counting
from reports.statistics.spans import Range
from studies.models import Patient, Study, StudyGrant
TEXTS = ["A pulmonary nodule of 12 mm.", "Größe normal. Kein Erguß.", "右肺に結節を認める。",
         "Pneumothorax left, no nodule.", "o'neil's \\\\ sign: it's \\"here\\" & | ! <-> :*"]
main, north = (Site.objects.create(slug=s, name=s, timezone=z) for s, z in
               (("main", "Europe/Berlin"), ("north", "America/New_York")))
reader, other, referrer = (User.objects.create(username=n) for n in ("reader", "other", "referrer"))
Membership.objects.create(user=reader, site=main, role="radiologist")
Membership.objects.create(user=other, site=north, role="radiologist")
Membership.objects.create(user=referrer, site=main, role="referrer")
noon = datetime.datetime(2026, 3, 10, 23, 30, tzinfo=tz.utc)
for n in range(20):
    site = north if n % 5 == 4 else main
    patient = Patient.objects.create(site=site, patient_id=f"P{n}")
    study = Study.objects.create(site=site, patient_ref=patient, study_instance_uid=f"1.2.{n}",
        modalities=["CT", "MR/SR"][n % 2], priority=n % 3, reading_state="final",
        received_at=noon + timedelta(days=n % 4))
    report = Report.objects.create(site=site, study=study, author=reader, saved_by=reader,
        state="final", first_final_at=study.received_at + timedelta(minutes=10 * n))
    ReportVersion.objects.create(report=report, number=1, kind="final", content={}, signer=reader,
        content_sha256="0" * 64, previous_sha256="0" * 64, chain_sha256="0" * 64,
        signed_at=noon, text=TEXTS[n % 5] + f" Number{n}.")
    refresh(report)
    if n in (0, 5):
        StudyGrant.objects.create(study=study, user=referrer, granted_by=reader)
def ids(who, text, **more):
    found = search(who, text, **more)
    return [found.count, [int(hit.report.study.study_instance_uid[4:]) for hit in found.hits]]
QUERIES = ["nodule", "NODUL", '"pulmonary nodule"', "nodule -pneumothorax", "grosse", "erguss",
           "結節", "節結", "o'neil", "\\\\ ' :* & | !",
           "number1", '"number1"', "12", "(", '"', "-x",
           "'@2'", "site:2 OR nodule"]
for who in (reader, other, referrer):
    for text in QUERIES:
        print(json.dumps(ids(who, text)))
print(json.dumps(ids(reader, "nodule", limit=3, offset=2)))
print(json.dumps(ids(reader, "nodule", filters=Filters(modality="SR", state="final"))))
days = Range(datetime.date(2026, 3, 9), datetime.date(2026, 3, 15))
for row in counting.turnaround([main, north], days):
    print(json.dumps([row.group, row.name, row.count, round(row.median, 3), round(row.p90, 3)]))
for row in counting.spans([main, north], days):
    print(json.dumps([row.label, row.received, row.finished, row.waiting]))
Report.objects.filter(pk__lte=3)
print(rebuild(), json.dumps(ids(reader, "nodule")))
print(len(counting.waiting_now([main, north])))
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with PostgresServer(migrated=True) as server:
        yield portal(tmp_path_factory, server.url)


def test_both_databases_answer_alike(
    postgres: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    ours = manage(postgres, "shell", "--no-imports", "-c", ASK).splitlines()
    theirs = manage(portal(tmp_path_factory, ""), "shell", "--no-imports", "-c", ASK).splitlines()
    assert ours == theirs
    assert json.loads(ours[0]) == [8, [18, 15, 13, 10, 8, 5, 3, 0]]
    assert json.loads(ours[2]) == [4, [15, 10, 5, 0]]
    assert json.loads(ours[4])[0] == json.loads(ours[5])[0] == 4
    # The other site's one text has no nodule; the referrer sees two studies.
    assert json.loads(ours[18])[0] == 0
    assert json.loads(ours[36]) == [2, [5, 0]]
    with psycopg.connect(postgres["DATABASE_URL"]) as connection:
        connection.execute("SET enable_seqscan = off")
        rows = connection.execute(
            "EXPLAIN SELECT 1 FROM reports_search WHERE document @@ '''nodule'':*'::tsquery"
        ).fetchall()
        assert "report_words" in str(rows)
