"""Which home answers: MongoDB where it is configured, complete and answers, else the table.

An answer of MongoDB that has fewer or more documents than the table is not used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import structlog
from django.db import connection

from studies.documents import health, mongo, outbox, table
from studies.documents.document import Key, TagQuery, compact
from studies.documents.errors import DocumentsDown

log = structlog.get_logger(__name__)


def _from_mongo() -> bool:
    # Nobody waits for a network inside of a transaction; the table says the same.
    return outbox.is_on() and not connection.in_atomic_block and health.may_read()


def get_many(site_id: int, uids: Iterable[str]) -> dict[str, Any]:
    """The documents of these SOP Instance UIDs at a site, parsed and corrected."""
    wanted = set(uids)
    found: dict[str, Any] = {}
    if wanted and _from_mongo():
        try:
            found = mongo.get_many(site_id, wanted - outbox.noted_images(site_id, wanted))
        except DocumentsDown as error:
            health.read_failed(error)
    rest = wanted - found.keys()
    return found | table.get_many(site_id, rest) if rest else found


def instance_json(site_id: int, sop_instance_uid: str) -> bytes | None:
    """One instance's document as a JSON array of one, or None."""
    if _from_mongo():
        found = get_many(site_id, [sop_instance_uid]).get(sop_instance_uid)
        return None if found is None else f"[{compact(found)}]".encode()
    text = table.text_of_instance(site_id, sop_instance_uid)
    return None if text is None else f"[{text}]".encode()


def texts_of_series(site_id: int, study_uid: str, series_uid: str) -> list[str]:
    """The documents of a series as texts, corrected, by InstanceNumber and then as they came."""
    if _from_mongo() and not outbox.noted_studies(site_id, [study_uid]):
        try:
            found = mongo.texts_of_series(site_id, study_uid, series_uid)
        except DocumentsDown as error:
            health.read_failed(error)
        else:
            expected = table.count_of_series(site_id, study_uid, series_uid)
            if len(found) == expected:
                return found
            log.warning("MongoDB has another series", found=len(found), expected=expected)
            if len(found) < expected:
                table.note_series(site_id, study_uid, series_uid)
    return table.texts_of_series(site_id, study_uid, series_uid)


def _delivered(keys: Collection[Key]) -> set[Key]:
    """Keys of studies of which nothing is in the outbox."""
    by_site: dict[int, set[str]] = {}
    for key in keys:
        by_site.setdefault(key[0], set()).add(key[1])
    noted = {
        (site_id, uid)
        for site_id, uids in by_site.items()
        for uid in outbox.noted_studies(site_id, uids)
    }
    return {key for key in keys if key[:2] not in noted}


def first_of_each(keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """The document of one instance, the first stored, of each study, series or instance."""
    found: dict[Key, dict[str, Any]] = {}
    if keys and _from_mongo():
        try:
            found = mongo.first_of_each(_delivered(keys))
        except DocumentsDown as error:
            health.read_failed(error)
    rest = [key for key in keys if key not in found]
    return found | table.first_of_each(rest) if rest else found


def search(tag_query: TagQuery, limit: int, *, among: Collection[Key]) -> set[Key]:
    """Keys of which one document matches every path of `tag_query`; at most `limit` of them.

    Each document of the keys is looked at, so the caller bounds how many there are.
    """
    if not among or not _from_mongo():
        return table.search(tag_query, limit, among=among)
    there = _delivered(among)
    try:
        if there and mongo.count_of_keys(there) != table.count_of_keys(there):
            log.warning("MongoDB has other documents than the table")
            there = set()
        found = mongo.search(tag_query, limit, among=there) if there else set()
    except DocumentsDown as error:
        health.read_failed(error)
        return table.search(tag_query, limit, among=among)
    rest = set(among) - there
    if rest and len(found) < limit:
        found |= table.search(tag_query, limit - len(found), among=rest)
    return found
