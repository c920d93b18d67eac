"""QIDO-RS: 10,000 studies against Orthanc, 1,000,000 in the portal on SQLite and PostgreSQL.

`python -m benchmarks.qido` runs it all; `python -m benchmarks.qido fill COUNT SITE` loads the index
of the installation that the environment names, with one image a study below 100,000.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.http import Row, Target, latencies, orthanc_target
from tests.servers.postgres import PostgresServer
from tests.servers.stack import Stack

SMALL, LARGE = 10_000, 1_000_000
ROUNDS = 30
FIRST_DAY = datetime(2016, 1, 1, 8, tzinfo=UTC)
DAYS = 3650
FIRST_SYLLABLES = (
    "BEL KOR MAR SAN TOR VAL HEN LIN ROS WIN ALB FER GAR HOL JAN KES LOM MEI NOR OST PET"
)
MIDDLE_SYLLABLES = "A E I O U AN EN IN ON UN ER AR"
LAST_SYLLABLES = (
    "SON MANN BERG VIK SKI LI TO NDA REZ DAHL FELD HART IEU QVIST TSU WALA XO YAN ZZI DOTTIR"
)
GIVEN = "ANNA BEN CLARA DAVID ELIF FARID GRACE HUGO INES JAN KIRA LARS MAYA NILS OLGA PAUL"
KINDS = (("CT", "CT chest"), ("MR", "MR knee left"), ("CR", "Chest PA"), ("US", "US abdomen"))
MAKE_TOKEN = """
from pacs.accounts.models import ApiToken, Membership, Site, User
site = Site.objects.order_by('id').first()
user = User.objects.create_user('bench')
Membership.objects.create(user=user, site=site, role='radiologist')
print(ApiToken.issue(user, 'bench')[1], site.slug)
"""


@dataclass(frozen=True, slots=True)
class Made:
    """A study of the collection. Every number makes the same one in every run."""

    number: int
    patient: int
    name: str
    at: datetime
    modality: str
    description: str

    @property
    def uid(self) -> str:
        return f"2.25.{10**20 + self.number}"

    @property
    def patient_id(self) -> str:
        return f"P{self.patient:07d}"

    @property
    def accession(self) -> str:
        return f"A{self.number:08d}"


def made(count: int, since: datetime = FIRST_DAY) -> Iterator[Made]:
    """`count` studies of the ten years from `since`, four a patient, one in two hundred a PET."""
    dice = random.Random(20)
    begin, middle, end, given = (
        parts.split() for parts in (FIRST_SYLLABLES, MIDDLE_SYLLABLES, LAST_SYLLABLES, GIVEN)
    )
    name = ""
    for number in range(count):
        if number % 4 == 0:
            family = dice.choice(begin) + dice.choice(middle) + dice.choice(end)
            name = f"{family}^{dice.choice(given)}"
        modality, description = dice.choice(KINDS)
        if number % 200 == 0:
            modality, description = "PT", "PET whole body"
        at = since + timedelta(days=dice.randrange(DAYS), seconds=dice.randrange(36_000))
        yield Made(number, number // 4, name, at, modality, description)


# The portal's index, without images


def fill_index(
    count: int,
    slug: str,
    *,
    images: bool,
    since: datetime = FIRST_DAY,
    mix: Callable[[Any], None] = lambda cursor: None,
) -> None:
    """Load the index of this process's database: plain inserts, indexes and triggers afterwards.

    `mix(cursor)` may change the rows before they are indexed.
    """
    import django

    django.setup()
    from django.db import connection, transaction

    from pacs.accounts.models import Site
    from studies import searchindex

    site = Site.objects.get(slug=slug).pk
    with transaction.atomic(), connection.cursor() as cursor:
        restored = list(_without_indexes(connection, cursor))
        for table, columns, rows in _tables(count, site, images, since):
            _copy(connection, cursor, table, columns, rows)
        mix(cursor)
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in restored:
            cursor.execute(statement)
        if connection.vendor == "postgresql":
            for table in ("patient", "study", "series", "instance"):
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('studies_{table}', 'id'),"
                    f" (SELECT coalesce(max(id), 1) FROM studies_{table}))"
                )
    searchindex.install(connection)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _without_indexes(connection: Any, cursor: Any) -> Iterator[str]:
    """Drops the triggers of searches and all plain indexes of studies; what brings these back."""
    if connection.vendor == "sqlite":
        cursor.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'studies_study'"
            " AND type IN ('index', 'trigger') AND sql IS NOT NULL"
        )
        for kind, name, sql in cursor.fetchall():
            if kind == "index" and sql.startswith("CREATE UNIQUE"):
                continue
            cursor.execute(f'DROP {kind} "{name}"')
            if kind == "index":
                yield sql
        return
    cursor.execute("SET LOCAL maintenance_work_mem = '1GB'")
    for name in ("study_search_rows", "study_search_update"):
        cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON studies_study")
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'studies_study'"
        " AND indexdef NOT LIKE 'CREATE UNIQUE%%'"
    )
    for name, sql in cursor.fetchall():
        cursor.execute(f'DROP INDEX "{name}"')
        yield sql


def _copy(connection: Any, cursor: Any, table: str, columns: str, rows: Iterator[Any]) -> None:
    if connection.vendor == "postgresql":
        with cursor.cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ",".join("?" * len(columns.split(",")))
    connection.connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


def _tables(
    count: int, site: int, images: bool, since: datetime
) -> Iterator[tuple[str, str, Iterator[Any]]]:
    yield (
        "studies_patient",
        "id,site_id,patient_id,issuer_of_patient_id,patient_name,patient_name_ideographic,"
        "patient_birth_date,patient_sex",
        (
            (one.patient + 1, site, one.patient_id, "", one.name, "", "19700101", "F")
            for one in made(count, since)
            if one.number % 4 == 0
        ),
    )
    empty = (
        "body_part_examined patient_name_ideographic patient_name_phonetic issuer_of_patient_id"
        " patient_age referring_physician_name referring_key institution_name"
        " timezone_offset_from_utc"
    )
    fixed = {
        "site_id": site,
        **dict.fromkeys(empty.split(), ""),
        "patient_birth_date": "19700101",
        "patient_sex": "F",
        "name_conflict": False,
        "number_of_series": 1,
        "number_of_instances": 1,
        "late_instances": 0,
        "arrival": "complete",
        "reading_state": "final",
        "priority": 2,
    }
    yield (
        "studies_study",
        ",".join([*fixed, _STUDY]),
        ((*fixed.values(), *_study(one)) for one in made(count, since)),
    )
    if images:
        yield "studies_series", _SERIES, (_series(one) for one in made(count, since))
        yield "studies_instance", _INSTANCE, (_instance(one, site) for one in made(count, since))


_STUDY = (
    "id,patient_ref_id,study_instance_uid,study_id,study_date,study_time,study_day,"
    "accession_number,study_description,modalities,patient_name,patient_id,search_text,name_key,"
    "received_at,last_received_at,quiet_at"
)
_SERIES = (
    "id,study_id,series_instance_uid,modality,series_number,series_description,body_part_examined,"
    "laterality,protocol_name,series_date,series_time,number_of_instances,metadata_version,"
    "performed_procedure_step_start_date,performed_procedure_step_start_time,"
    "scheduled_procedure_step_ids,requested_procedure_ids"
)
_INSTANCE = (
    "id,site_id,series_id,sop_instance_uid,sop_class_uid,transfer_syntax_uid,instance_number,rows,"
    '"columns",number_of_frames,photometric_interpretation,archive_key,file_size,file_sha256,'
    "content_digest,dataset_digest,frame_index,source,received_at"
)


def _study(one: Made) -> tuple[Any, ...]:
    folded = one.name.replace("^", " ").lower()
    text = f"{folded} {one.patient_id} {one.accession} {one.description}".lower()
    at = f"{one.at:%Y-%m-%d %H:%M:%S}"
    key = f"\n {folded}\n"
    return (
        one.number + 1, one.patient + 1, one.uid, str(one.number), f"{one.at:%Y%m%d}",
        f"{one.at:%H%M%S}", f"{one.at:%Y-%m-%d}", one.accession, one.description, one.modality,
        one.name, one.patient_id, text, key, at, at, at,
    )  # fmt: skip


def _series(one: Made) -> tuple[Any, ...]:
    return (
        one.number + 1, one.number + 1, f"{one.uid}.1", one.modality, 1, one.description, "", "",
        "", f"{one.at:%Y%m%d}", f"{one.at:%H%M%S}", 1, 1, "", "", "", "",
    )  # fmt: skip


def _instance(one: Made, site: int) -> tuple[Any, ...]:
    return (
        one.number + 1, site, one.number + 1, f"{one.uid}.1.1", "1.2.840.10008.5.1.4.1.1.7",
        "1.2.840.10008.1.2.1", 1, 8, 8, 1, "MONOCHROME2", f"none/{one.number}", 1, "", "", "", "",
        "bench", f"{one.at:%Y-%m-%d %H:%M:%S}",
    )  # fmt: skip


# Orthanc's


def _file(one: Made) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{one.uid}.1.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = one.uid, f"{one.uid}.1"
    dataset.PatientName, dataset.PatientID = one.name, one.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "F"
    dataset.StudyDate = dataset.SeriesDate = f"{one.at:%Y%m%d}"
    dataset.StudyTime = dataset.SeriesTime = f"{one.at:%H%M%S}"
    dataset.AccessionNumber, dataset.StudyID = one.accession, str(one.number)
    dataset.StudyDescription = dataset.SeriesDescription = one.description
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = one.modality, 1, 1
    target = BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()


def fill_orthanc(target: Target, count: int, connections: int = 6) -> None:
    """`count` studies of one small object each by POST /instances."""

    def post(part: int) -> None:
        connection = HTTPConnection("127.0.0.1", target.port, timeout=60)
        for one in made(count):
            if one.number % connections == part:
                connection.request("POST", "/instances", _file(one), target.headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"Orthanc answers {answer.status}")
        connection.close()

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(post, range(connections)))


# Measuring


def queries(count: int) -> dict[str, str]:
    """Names and query strings. A study from the middle is looked for."""
    one = next(each for each in made(count) if each.number == count // 2)
    family = one.name.split("^")[0]
    day = one.at
    week = f"{day:%Y%m%d}-{day + timedelta(days=7):%Y%m%d}"
    return {
        "none": "?limit=100",
        "patient_id": f"?PatientID={one.patient_id}",
        "accession": f"?AccessionNumber={one.accession}",
        "name": f"?PatientName={family}*",
        "substring": "?PatientName=*SON*&limit=100",
        "dates": f"?StudyDate={week}&limit=100",
        "modality": "?ModalitiesInStudy=PT&limit=100",
        "offset": f"?limit=100&offset={count * 9 // 10}",
    }


def _ask(name: str, target: Target, count: int) -> dict[str, float]:
    found = {}
    for query, text in queries(count).items():
        path = f"/dicom-web/studies{text}"
        latencies(target, path, 2, Accept="application/dicom+json")
        middle, high = latencies(target, path, ROUNDS, Accept="application/dicom+json")
        found[f"{name}_{query}_ms"], found[f"{name}_{query}_p95_ms"] = middle, high
    return found


@contextlib.contextmanager
def _filled(folder: Path, count: int, env: Mapping[str, str]) -> Iterator[tuple[Stack, Target]]:
    """A portal with `count` studies in its index."""
    with Stack(folder, env=env) as stack:
        token, slug = stack.shell(MAKE_TOKEN).split()
        stack.stop()
        subprocess.run(
            [sys.executable, "-m", "benchmarks.qido", "fill", str(count), slug],
            env=stack.variables(),
            check=True,
        )
        stack.start()
        yield stack, Target(stack.port, {"Authorization": f"Bearer {token}"})


def measure(folder: Path, *, large: bool = True) -> dict[str, float]:
    """Medians and 95th percentiles in ms, by `queries`: `qido_portal_name_ms`, ..."""
    found: dict[str, float] = {}
    with _filled(folder / "small", SMALL, {}) as (stack, portal):
        orthanc = orthanc_target(stack)
        # The follower would fetch every object: it stays away from this Orthanc.
        stack.shell(
            "from studies.models import OrthancServer as S; S.objects.update(is_enabled=False)"
        )
        fill_orthanc(orthanc, SMALL)
        found |= _ask("qido_orthanc", orthanc, SMALL)
        found |= _ask("qido_portal", portal, SMALL)
    if large:
        with _filled(folder / "sqlite", LARGE, {}) as (_, portal):
            found |= _ask("qido_sqlite", portal, LARGE)
        with (
            PostgresServer() as server,
            _filled(folder / "postgres", LARGE, {"DATABASE_URL": server.url}) as (_, portal),
        ):
            found |= _ask("qido_postgresql", portal, LARGE)
    return found


def table_rows(found: Mapping[str, float]) -> list[Row]:
    """Work, Orthanc, portal, ratio."""
    rows = []
    for name in queries(SMALL):
        theirs, ours = (found[f"qido_{who}_{name}_ms"] for who in ("orthanc", "portal"))
        work = f"QIDO over 10,000 studies: {name}, median"
        rows.append(Row(work, f"{theirs:.0f} ms", f"{ours:.1f} ms", f"{theirs / ours:.1f}"))
    for who, words in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
        for name in queries(SMALL):
            if (key := f"qido_{who}_{name}_p95_ms") in found:
                work = f"QIDO over 1,000,000 studies on {words}: {name}, p95"
                rows.append(Row(work, portal=f"{found[key]:.0f} ms"))
    return rows


def main() -> None:
    if sys.argv[1:2] == ["fill"]:
        count = int(sys.argv[2])
        fill_index(count, sys.argv[3], images=count < 100_000)
        return
    with tempfile.TemporaryDirectory(prefix="lightbox-qido-") as folder:
        found = measure(Path(folder), large="small" not in sys.argv[1:])
    for row in table_rows(found):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
