"""Metadata documents: DICOM JSON (PS3.18 F) of each instance, and series-wide caches of them.

The default home is a table beside the index; the functions below are all that others use. They give
documents as they are corrected: `body` is what the file says, `overlay` what was corrected of it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db.models import F, Func, JSONField, Min, Q, TextField, Value
from django.db.models.functions import Cast, Coalesce

from pacs import statements
from studies import cachefiles
from studies.dicom.overlay import Overlay, merged, of_document
from studies.models import MetadataDocument, Series

SUFFIX = ".json.gz"
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


@dataclass(frozen=True, slots=True)
class Document:
    """An instance's document on its way in; `body` is JSON text."""

    site_id: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    instance_number: int | None
    body: str
    overlay: str | None = None
    """JSON text of what `studies.dicom.overlay.of_document` gives."""


def replace_many(documents: Iterable[Document]) -> None:
    """Write documents, replacing those of the same site and SOP Instance UID."""
    rows = [[getattr(document, name) for name in COLUMNS] for document in documents]
    if rows:
        statements.insert(MetadataDocument, COLUMNS, rows, REPLACE)


def get_many(site_id: int, uids: Iterable[str]) -> dict[str, Any]:
    """The documents of these SOP Instance UIDs at a site, parsed."""
    rows = MetadataDocument.objects.filter(site_id=site_id, sop_instance_uid__in=list(uids))
    return {row.sop_instance_uid: merged(row.body, row.overlay) for row in rows}


def instance_json(site_id: int, sop_instance_uid: str) -> bytes | None:
    """One instance's document as a JSON array of one, or None."""
    found = (
        MetadataDocument.objects.filter(site_id=site_id, sop_instance_uid=sop_instance_uid)
        .annotate(text=Cast("body", TextField()))
        .values_list("text", "overlay")
        .first()
    )
    return None if found is None else f"[{_text(*found)}]".encode()


def _text(body: str, overlay: Any) -> str:
    """A document as text, corrected."""
    if not overlay:
        return body
    return json.dumps(merged(json.loads(body), overlay), ensure_ascii=False, separators=(",", ":"))


def _cache_folder(series_id: int) -> Path:
    return Path(settings.CACHE_DIR) / "metadata" / str(series_id)


def _build(series: Series) -> bytes:
    texts = (
        MetadataDocument.objects.filter(
            site_id=series.study.site_id,
            study_instance_uid=series.study.study_instance_uid,
            series_instance_uid=series.series_instance_uid,
        )
        .order_by("instance_number", "id")
        .annotate(text=Cast("body", TextField()))
        .values_list("text", "overlay")
    )
    return b"[" + b",".join(_text(*found).encode() for found in texts) + b"]"


def series_json_gzip(series: Series) -> bytes:
    """The gzipped JSON array of a series' documents, from the cache where it is current.

    The cache's name carries the series' `metadata_version`: a file is right or absent.
    """
    folder, version = _cache_folder(series.pk), series.metadata_version
    try:
        return cachefiles.version_file(folder, version, SUFFIX).read_bytes()
    except FileNotFoundError:
        content = gzip.compress(_build(series), compresslevel=5, mtime=0)
        cachefiles.keep_version(folder, version, SUFFIX, content)
        return content


def series_json(series: Series) -> bytes:
    """The JSON array of a series' documents."""
    return gzip.decompress(series_json_gzip(series))


def study_json(series: Iterable[Series]) -> bytes:
    """The JSON array of all documents of these series, in their order."""
    bodies = [body[1:-1] for one in series if (body := series_json(one)) != b"[]"]
    return b"[" + b",".join(bodies) + b"]"


# Corrections


def overlay_text(body: str, overlay: Overlay | None) -> str | None:
    """The `overlay` of a document on its way in."""
    changed = of_document(json.loads(body), overlay) if overlay is not None else {}
    if not changed:
        return None
    return json.dumps(changed, ensure_ascii=False, separators=(",", ":"))


def lay(site_id: int, study_uid: str, series_uid: str, overlay: Overlay | None) -> None:
    """Have the documents of a series say what is corrected; None: what the files say."""
    rows = MetadataDocument.objects.filter(
        site_id=site_id, study_instance_uid=study_uid, series_instance_uid=series_uid
    ).order_by()
    if overlay is None:
        rows.filter(overlay__isnull=False).update(overlay=None)
        return
    alike: dict[str | None, list[int]] = {}
    texts = rows.annotate(text=Cast("body", TextField())).values_list("id", "text")
    for pk, text in texts.iterator(2000):
        alike.setdefault(overlay_text(text, overlay), []).append(pk)
    for laid, ids in alike.items():
        for start in range(0, len(ids), AT_ONCE):
            some = MetadataDocument.objects.filter(id__in=ids[start : start + AT_ONCE])
            some.update(overlay=laid)


def move(site_id: int, sop_uids: Collection[str], study_uid: str) -> None:
    """Have the documents of these instances belong to another study of the site."""
    wanted = list(sop_uids)
    for start in range(0, len(wanted), AT_ONCE):
        MetadataDocument.objects.filter(
            site_id=site_id, sop_instance_uid__in=wanted[start : start + AT_ONCE]
        ).update(study_instance_uid=study_uid)


# Search. A key is (site, StudyInstanceUID) of a study, with SeriesInstanceUID of a series, with
# SOPInstanceUID of an instance.

Key = tuple[Any, ...]
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


class Accepts(Protocol):
    """A condition on an element of DICOM JSON."""

    def accepts(self, element: Any) -> bool: ...


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


def search(
    tag_query: Mapping[tuple[str, ...], Accepts], limit: int, *, among: Collection[Key]
) -> set[Key]:
    """Keys of which one document matches every path of `tag_query`; at most `limit` of them.

    A path is a tag, or tags of sequences down to one: any item may match. Each document of the
    keys is looked at, so the caller bounds how many there are.
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
            if all(_has(values, path, wanted) for path, wanted in tag_query.items()):
                found.add(key)
                if len(found) >= limit:
                    return found
    return found


def _has(values: Mapping[str, Any], path: tuple[str, ...], wanted: Accepts) -> bool:
    element = values.get(path[0])
    if len(path) == 1:
        return wanted.accepts(element)
    items = element.get("Value") if isinstance(element, dict) else None
    return any(_has(item, path[1:], wanted) for item in items or () if isinstance(item, dict))
