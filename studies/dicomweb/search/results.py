"""A search from its query to the body of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pacs import audit
from pacs.accounts.models import Site
from studies import documents
from studies.dicomweb.authority import Identity, StudyRef, dicomweb_root
from studies.dicomweb.errors import BadRequestError
from studies.dicomweb.search import included, plan
from studies.dicomweb.search.columns import UIDS, Writer
from studies.dicomweb.search.keys import Level, prefix
from studies.dicomweb.search.parse import Query
from studies.dicomweb.search.plan import MODELS, Scope

MAX_DOCUMENTS = 50_000
TOO_MANY = (
    "No index holds that attribute, and more than 50,000 images would have to be read."
    " Narrow the search by PatientID, StudyDate or AccessionNumber."
)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of results; `more`: there are results beyond it."""

    body: bytes
    more: bool


def search_all(identity: Identity, slug: str | None, query: Query) -> Found:
    """What the identity may see of a level, at all its sites or at one."""
    found = _search(Scope(identity.principal, slug), query, _above(query.level, Level.STUDY))
    audit.record_read(
        "study.searched",
        actor=identity.actor,
        session_key=identity.principal.session_key,
        address=identity.address,
        detail={"keys": query.keys, "level": query.level.plural},
    )
    return found


def search_study(
    identity: Identity, study: StudyRef, series_uid: str | None, query: Query
) -> Found:
    """Series or instances of a study that the caller has shown the identity may see."""
    scope = Scope(identity.principal, None, study.pk, series_uid)
    first = Level.INSTANCE if series_uid is not None else Level.SERIES
    return _search(scope, query, _above(query.level, first))


def _above(level: Level, first: Level) -> tuple[Level, ...]:
    return tuple(one for one in Level if first <= one < level)


@lru_cache(maxsize=16)
def _writer(level: Level, above: tuple[Level, ...]) -> Writer:
    return Writer(level, above)


def _search(scope: Scope, query: Query, above: tuple[Level, ...]) -> Found:
    if query.others:
        ids = _by_documents(scope, query)[query.offset : query.offset + query.limit + 1]
    else:
        ids = plan.ordered_ids(scope, query, query.offset, query.limit + 1)
    page = ids[: query.limit]
    writer = _writer(query.level, above)
    known = {
        row[0]: row
        for row in MODELS[query.level]
        .objects.filter(pk__in=plan.one_of(page))
        .values_list(*writer.columns)
    }
    rows = [known[pk] for pk in page if pk in known]
    sites = {row[1] for row in rows}
    roots = {
        pk: dicomweb_root(slug)
        for pk, slug in Site.objects.filter(pk__in=sites).values_list("id", "slug")
    }
    more = included.parts(query, rows, writer.tags)
    texts = (
        writer.write(row, roots[row[1]], more[number] if more else None)
        for number, row in enumerate(rows)
    )
    return Found(f"[{','.join(texts)}]".encode(), len(ids) > query.limit)


def _by_documents(scope: Scope, query: Query) -> list[int]:
    """Ids, in order, of all rows that match what no index holds, too.

    Every row that matches the rest is looked at, or none: BadRequestError where they are too many.
    """
    level = query.level
    candidates = plan.ordered_ids(scope, query, 0, MAX_DOCUMENTS + 1)
    names = [f"{prefix(level, one)}{UIDS[one]}" for one in Level if one <= level]
    site = f"{prefix(level, Level.STUDY)}site_id"
    size = ["number_of_instances"] if level is not Level.INSTANCE else []
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(candidates), 1000):
        some = MODELS[level].objects.filter(pk__in=plan.one_of(candidates[start : start + 1000]))
        rows += some.values_list("pk", site, *names, *size)
    if (sum(row[-1] for row in rows) if size else len(rows)) > MAX_DOCUMENTS:
        raise BadRequestError(TOO_MANY)
    keys = {(row[1], *row[2 : 2 + level]): row[0] for row in rows}
    hits = {keys[key] for key in documents.search(query.others, MAX_DOCUMENTS, among=keys)}
    return [pk for pk in candidates if pk in hits]
