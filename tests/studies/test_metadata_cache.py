"""Files of series metadata: the newest version only."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from studies import cachefiles, documents
from studies.models import Series
from tests.dicomweb.asking import ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_new_version_removes_those_before(tmp_path: Path, settings: Any, site: Any) -> None:
    settings.CACHE_DIR = tmp_path
    readers = []
    for number in (1, 2, 3):
        file = store(site, ct_file(number=number, seed=number))
        series = Series.objects.get(series_instance_uid=file.series)
        documents.series_json_gzip(series)
        (path,) = (tmp_path / "metadata" / str(series.pk)).iterdir()
        readers.append(path.open("rb"))
    for number, reader in enumerate(readers, 1):
        with reader:
            assert len(json.loads(gzip.decompress(reader.read()))) == number


def test_other_series_and_other_files_stay(tmp_path: Path) -> None:
    for version, other in ((1, "1.json.gz"), (12, "notes.txt"), (9, "9.json.gz")):
        cachefiles.keep_version(tmp_path / "1", version, ".json.gz", b"x")
        (tmp_path / "2").mkdir(exist_ok=True)
        (tmp_path / "2" / other).write_bytes(b"x")
    (tmp_path / "1" / "notes.txt").write_bytes(b"x")
    cachefiles.keep_version(tmp_path / "1", 10, ".json.gz", b"x")
    # Version 12 is newer than 10, which a slower writer kept.
    assert {path.name for path in (tmp_path / "1").iterdir()} == {
        "10.json.gz", "12.json.gz", "notes.txt",
    }  # fmt: skip
    assert len(list((tmp_path / "2").iterdir())) == 3


def test_writers_at_once(tmp_path: Path) -> None:
    """Each writes whole files while the others remove; the newest is there at the end."""

    def write(start: int) -> None:
        for version in range(start, 200, 4):
            cachefiles.keep_version(tmp_path, version, ".json.gz", b"%d" % version * 500)

    threads = [Thread(target=write, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "199.json.gz").read_bytes() == b"199" * 500
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
