"""Fills an index and measures what an image costs: `python -m benchmarks.scale_child COUNT`."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import django

django.setup()

from django.db import connection, models  # noqa: E402

from benchmarks.fill import fill  # noqa: E402
from pacs.accounts.models import Site  # noqa: E402
from studies.demo import synth  # noqa: E402
from studies.dicom.payload import Payload  # noqa: E402
from studies.models import Instance, MetadataDocument, Series, Study  # noqa: E402
from studies.services import ingest  # noqa: E402

BATCH = 50
ROUND = 1_000
A_STUDY = 200
A_SERIES = 100
AT_ONCE = 100_000


def batches(site: Site, seed: int) -> Iterator[float]:
    """Store `ROUND` images of new studies; seconds that each batch took."""
    for number in range(ROUND // A_STUDY):
        with tempfile.TemporaryDirectory() as folder:
            paths = synth.ct_series(
                Path(folder), slices=A_STUDY, size=64, seed=seed + number, patient_id=f"S{seed}"
            )
            files = [Path(path).read_bytes() for path in paths]
        for start in range(0, A_STUDY, BATCH):
            began = perf_counter()
            ingest.commit(
                [
                    ingest.prepare(Payload.from_bytes(data), source="bench", site_id=site.pk)
                    for data in files[start : start + BATCH]
                ]
            )
            yield perf_counter() - began


def load(site: Site, count: int) -> None:
    """Rows of `count` images in series of 100, each with its document, by the database itself."""
    known = Study.objects.count()
    fill(count // (A_SERIES * 5), site)
    made: list[Series] = []
    for study in Study.objects.order_by("pk")[known:].iterator(1000):
        made += [
            Series(
                site=site,
                study=study,
                series_instance_uid=f"2.25.{10**24 + len(made) + place}",
                modality="CT",
            )
            for place in range(5)
        ]
    Series.objects.bulk_create(made, batch_size=1000)
    first = Series.objects.order_by("-pk").values_list("pk", flat=True)[len(made) - 1]
    template = Instance.objects.order_by("-pk")[0]
    document = MetadataDocument.objects.get(sop_instance_uid=template.sop_instance_uid)
    for start in range(0, count, AT_ONCE):
        _copy(template, start, {"series_id": f"{first} + i / {A_SERIES}"})
        _copy(document, start, {"series_instance_uid": f"'2.25.' || (i / {A_SERIES})"})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _copy(row: models.Model, start: int, others: dict[str, str]) -> None:
    """As many rows like this one, their UIDs in no order, as they are in life."""
    quote = connection.ops.quote_name
    names = [field.column for field in row._meta.concrete_fields if not field.primary_key]
    # A bijection of 0..999983 and beyond: neighbours are far apart.
    uid = "'2.25.7' || (100000000000 + (i * 7919) % 1000003) || i"
    values = {"sop_instance_uid": uid, **others}
    columns = ", ".join(map(quote, names))
    given = ", ".join(values.get(name, f"t.{quote(name)}") for name in names)
    if connection.vendor == "sqlite":
        numbers = "WITH RECURSIVE n(i) AS (SELECT {0} UNION ALL SELECT i + 1 FROM n WHERE i < {1})"
        numbers = numbers.format(start, start + AT_ONCE - 1)
        source = "n"
    else:
        numbers, source = "", f"generate_series({start}, {start + AT_ONCE - 1}) AS n(i)"
    table = quote(row._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"{numbers} INSERT INTO {table} ({columns})"
            f" SELECT {given} FROM {table} t CROSS JOIN {source} WHERE t.id = {row.pk}"
        )


def main() -> None:
    site = Site.objects.create(name="Scale", slug="scale")
    list(batches(site, 1))
    few = statistics.median(batches(site, 100))
    load(site, int(sys.argv[1]))
    list(batches(site, 200))
    many = statistics.median(batches(site, 300))
    found = {
        "few_ms": few / BATCH * 1000,
        "many_ms": many / BATCH * 1000,
        "ratio": many / few,
        "rows": Instance.objects.count(),
    }
    json.dump(found, sys.stdout)


main()
