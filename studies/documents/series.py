"""The documents of whole series as JSON arrays, kept as files."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from studies import cachefiles
from studies.documents import reading
from studies.models import Series

SUFFIX = ".json.gz"


def _cache_folder(series_id: int) -> Path:
    return Path(settings.CACHE_DIR) / "metadata" / str(series_id)


def _build(series: Series) -> bytes:
    study = series.study
    texts = reading.texts_of_series(
        study.site_id, study.study_instance_uid, series.series_instance_uid
    )
    return b"[" + b",".join(text.encode() for text in texts) + b"]"


def forget(series_id: int) -> None:
    """Remove what is kept of a series that is no more."""
    shutil.rmtree(_cache_folder(series_id), ignore_errors=True)


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
