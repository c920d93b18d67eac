"""The JSON table beside the index: the home of every document.

`body` is what the file says, `overlay` what was corrected of it. What changes here is noted in the
outbox in the same transaction, where there is a MongoDB to tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.db.models import F, Func, JSONField, Min, Q, TextField, Value
from django.db.models.functions import Cast, Coalesce

from pacs import statements
from studies.dicom.overlay import Overlay, merged
from studies.documents import outbox
from studies.documents.document import Document, Key, TagQuery, has, overlay_text, text_of
from studies.models import MetadataDocument

COLUMNS = (
    "site_id",
    "sop_instance_uid",
    "study_instance_uid",
    "series_instance_uid",
    "instance_number",
    "body",
    "overlay",
)
REPLACE = "ON CONFLICT (site_id, sop_instance_uid) DO UPDATE SET " + ", ".join(
    f"{name} = EXCLUDED.{name}" for name in COLUMNS[2:]
)


def replace_many(documents: Iterable[Document]) -> None:
    """Write documents, replacing those of the same site and SOP Instance UID."""
    rows = [[getattr(document, name) for name in COLUMNS] for document in documents]
    if rows:
        statements.insert(MetadataDocument, COLUMNS, rows, REPLACE)
        outbox.note([tuple(row[:3]) for row in rows])


def get_many(site_id: int, uids: Iterable[str]) -> dict[str, Any]:
    """The documents of these SOP Instance UIDs at a site, parsed."""
    rows = MetadataDocument.objects.filter(site_id=site_id, sop_instance_uid__in=list(uids))
    return {row.sop_instance_uid: merged(row.body, row.overlay) for row in rows}


def text_of_instance(site_id: int, sop_instance_uid: str) -> str | None:
    """One instance's document as text, or None."""
    found = (
        MetadataDocument.objects.filter(site_id=site_id, sop_instance_uid=sop_instance_uid)
        .annotate(text=Cast("body", TextField()))
        .values_list("text", "overlay")
        .first()
    )
    return None if found is None else text_of(*found)


def _of_series(site_id: int, study_uid: str, series_uid: str) -> Any:
    return MetadataDocument.objects.filter(
        site_id=site_id, study_instance_uid=study_uid, series_instance_uid=series_uid
    ).order_by()


def texts_of_series(site_id: int, study_uid: str, series_uid: str) -> list[str]:
    """The documents of a series as texts, by InstanceNumber and then as they came."""
    rows = (
        _of_series(site_id, study_uid, series_uid)
        .order_by(F("instance_number").asc(nulls_first=True), "id")
        .annotate(text=Cast("body", TextField()))
        .values_list("text", "overlay")
    )
    return [text_of(*found) for found in rows]


def count_of_series(site_id: int, study_uid: str, series_uid: str) -> int:
    """How many documents a series has."""
    return int(_of_series(site_id, study_uid, series_uid).count())


def note_series(site_id: int, study_uid: str, series_uid: str) -> None:
    """Have MongoDB given the documents of a series again."""
    uids = _of_series(site_id, study_uid, series_uid).values_list("sop_instance_uid", flat=True)
    outbox.note([(site_id, uid, study_uid) for uid in uids])


def remove(site_id: int, uids: Iterable[str]) -> None:
    """Remove documents of instances that are deleted; MongoDB is told in the same transaction."""
    wanted = list(uids)
    for start in range(0, len(wanted), AT_ONCE):
        rows = MetadataDocument.objects.filter(
            site_id=site_id, sop_instance_uid__in=wanted[start : start + AT_ONCE]
        )
        if outbox.is_on():
            outbox.note(
                [
                    (site_id, uid, study)
                    for uid, study in rows.values_list("sop_instance_uid", "study_instance_uid")
                ]
            )
        rows.delete()


# Corrections


def lay(site_id: int, study_uid: str, series_uid: str, overlay: Overlay | None) -> None:
    """Have the documents of a series say what is corrected; None: what the files say."""
    rows = _of_series(site_id, study_uid, series_uid)
    if overlay is None:
        laid = rows.filter(overlay__isnull=False)
        if outbox.is_on():
            uids = list(laid.values_list("sop_instance_uid", flat=True))
            outbox.note([(site_id, uid, study_uid) for uid in uids])
        laid.update(overlay=None)
        return
    alike: dict[str | None, list[int]] = {}
    texts = rows.annotate(text=Cast("body", TextField())).values_list("id", "text")
    for pk, text in texts.iterator(2000):
        alike.setdefault(overlay_text(text, overlay), []).append(pk)
    for laid_text, ids in alike.items():
        for start in range(0, len(ids), AT_ONCE):
            some = MetadataDocument.objects.filter(id__in=ids[start : start + AT_ONCE])
            some.update(overlay=laid_text)
    if outbox.is_on():
        note_series(site_id, study_uid, series_uid)


def move(site_id: int, sop_uids: Collection[str], study_uid: str) -> None:
    """Have the documents of these instances belong to another study of the site."""
    wanted = list(sop_uids)
    for start in range(0, len(wanted), AT_ONCE):
        some = MetadataDocument.objects.filter(
            site_id=site_id, sop_instance_uid__in=wanted[start : start + AT_ONCE]
        )
        if outbox.is_on():
            # MongoDB still finds them in the study that they leave.
            left = list(some.values_list("sop_instance_uid", "study_instance_uid"))
            outbox.note([(site_id, uid, study) for uid, old in left for study in {old, study_uid}])
        some.update(study_instance_uid=study_uid)


# Search

UID_COLUMNS = ("study_instance_uid", "series_instance_uid", "sop_instance_uid")
AT_ONCE = 500


class Element(Func):
    """An element of a document. Django's own transform takes a tag for a place in a list."""

    output_field = JSONField()

    def __init__(self, tag: str) -> None:
        super().__init__(F("body"))
        self._tag = tag

    def as_sql(self, compiler: Any, connection: Any, *_args: Any, **_options: Any) -> Any:
        column, parameters = compiler.compile(self.get_source_expressions()[0])
        if connection.vendor == "sqlite":
            return f"JSON_EXTRACT({column}, %s)", [*parameters, f'$."{self._tag}"']
        return f"({column} -> %s)", [*parameters, self._tag]


def _of_keys(keys: Collection[Key]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Rows of these keys in some statements of bounded size, with the columns of a key.

    Each goes by one list alone: an index over two lists would be asked for every pair. The rows
    may hold more than the keys.
    """
    by_site: dict[int, list[Key]] = {}
    for key in keys:
        by_site.setdefault(key[0], []).append(key)
    for site_id, of_site in by_site.items():
        columns = ("site_id", *UID_COLUMNS[: len(of_site[0]) - 1])
        for start in range(0, len(of_site), AT_ONCE):
            some = of_site[start : start + AT_ONCE]
            rows = MetadataDocument.objects.filter(site_id=site_id)
            if len(columns) == 4:
                rows = rows.filter(sop_instance_uid__in=[key[3] for key in some])
            else:
                rows = rows.filter(study_instance_uid__in={key[1] for key in some})
            if len(columns) == 3:
                of_series = Coalesce("series_instance_uid", Value(""))
                rows = rows.alias(of_series=of_series).filter(of_series__in={k[2] for k in some})
            yield rows, columns


def first_of_each(keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """The document of one instance, the first stored, of each study, series or instance."""
    found: dict[Key, dict[str, Any]] = {}
    for rows, columns in _of_keys(keys):
        firsts = rows.order_by().values(*columns).annotate(first=Min("id")).values("first")
        for *key, body, overlay in MetadataDocument.objects.filter(id__in=firsts).values_list(
            *columns, "body", "overlay"
        ):
            found[tuple(key)] = merged(body, overlay)
    return found


def count_of_keys(keys: Collection[Key]) -> int:
    """How many documents a search among these keys looks at, or some more."""
    return sum(rows.count() for rows, _ in _of_keys(keys))


def search(tag_query: TagQuery, limit: int, *, among: Collection[Key]) -> set[Key]:
    """Keys of which one document matches every path of `tag_query`; at most `limit` of them.

    Each document of the keys is looked at, so the caller bounds how many there are.
    """
    tops = sorted({path[0] for path in tag_query})
    found: set[Key] = set()
    for rows, columns in _of_keys(among):
        elements = {f"e{number}": Element(tag) for number, tag in enumerate(tops)}
        present = Q(*(Q(**{f"{name}__isnull": False}) for name in elements))
        present |= Q(overlay__isnull=False)
        matching = rows.order_by().annotate(**elements).filter(present)
        for *row, overlay in matching.values_list(*columns, *elements, "overlay").iterator(2000):
            key = tuple(row[: len(columns)])
            values = dict(zip(tops, row[len(columns) :], strict=True)) | (overlay or {})
            if key in found or key not in among:
                continue
            if all(has(values, path, wanted) for path, wanted in tag_query.items()):
                found.add(key)
                if len(found) >= limit:
                    return found
    return found
