"""Bringing both homes of documents together, in either direction, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pacs import statements
from studies.documents import delivery, health, mongo, table
from studies.documents.document import compact
from studies.documents.mongo import Id
from studies.models import Instance, MetadataDocument


@dataclass(slots=True)
class Counts:
    """What was found so far."""

    looked_at: int = 0
    missing: int = 0
    different: int = 0
    orphans: int = 0
    """Records of MongoDB whose instance the portal does not have."""


def to_mongodb(limit: int, *, dry: bool = False) -> Iterator[Counts]:
    """Note in the outbox what MongoDB lacks or has otherwise; counts after each slice.

    Goes on where an earlier call was broken off; a dry run begins at the beginning and keeps no
    place. Raises DocumentsDown.
    """
    counts = Counts()
    after: int | None = 0 if dry else health.row().sync_up_to
    while after is not None:
        found = delivery.compare(after, limit, dry=dry)
        counts.looked_at += found.looked_at
        counts.missing += found.missing
        counts.different += found.different
        after = found.last
        if not dry:
            health.rows().update(sync_up_to=after or 0)
        yield counts


def to_table(limit: int, *, dry: bool = False) -> Iterator[Counts]:
    """Write documents that MongoDB has and the table lacks, of instances that the portal has.

    What is in both is left: the table is right. As `to_mongodb` otherwise.
    """
    counts = Counts()
    after = "" if dry else health.row().sync_up_to_id
    while True:
        ids = mongo.ids_after(after, limit)
        lacking = _without_document(ids)
        instances = _instances(lacking)
        counts.looked_at += len(ids)
        counts.missing += len(instances)
        counts.orphans += len(lacking) - len(instances)
        if not dry and instances:
            _write(instances)
        after = mongo.text_id(ids[-1]) if len(ids) == limit else ""
        if not dry:
            health.rows().update(sync_up_to_id=after)
        yield counts
        if not after:
            return


def _without_document(ids: list[Id]) -> list[Id]:
    there: set[Id] = set()
    for site_id, uids in delivery.by_site(ids).items():
        rows = MetadataDocument.objects.filter(site_id=site_id, sop_instance_uid__in=uids)
        there |= {(site_id, uid) for uid in rows.values_list("sop_instance_uid", flat=True)}
    return [one for one in ids if one not in there]


def _instances(ids: list[Id]) -> dict[Id, Instance]:
    found: dict[Id, Instance] = {}
    for site_id, uids in delivery.by_site(ids).items():
        rows = Instance.objects.filter(site_id=site_id, sop_instance_uid__in=uids)
        for row in rows.select_related("series__study"):
            found[site_id, row.sop_instance_uid] = row
    return found


def _write(instances: dict[Id, Instance]) -> None:
    """Study and series as the index has them, since images may have been moved."""
    rows: list[list[Any]] = []
    for key, record in mongo.records(instances).items():
        series = instances[key].series
        overlay = record["overlay"]
        rows.append(
            [
                key[0],
                key[1],
                series.study.study_instance_uid,
                series.series_instance_uid,
                record["number"],
                compact(record["body"]),
                None if overlay is None else compact(overlay),
            ]
        )
    statements.insert(MetadataDocument, table.COLUMNS, rows, "ON CONFLICT DO NOTHING")
