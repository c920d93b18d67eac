"""The archive at an object storage: whole objects in, stretches out, its refusals and troubles."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from pacs.settings.storages import apart, archive_storage, backup_storage
from studies import archive
from studies.archive import bucket as buckets
from studies.archive import copies
from studies.archive.errors import ArchiveDamaged, ArchiveDown, ArchiveRefuses
from studies.dicom.payload import Payload
from tests.archive.conftest import client
from tests.servers.ports import free_port
from tests.servers.s3 import S3Proxy
from tests.servers.smalldisk import small_disk

BIG = 9 * 2**20 + 12_345


def stored(data: bytes) -> str:
    payload = Payload.from_bytes(data)
    key = archive.put(payload, site_id=1, sha256=payload.sha256)
    archive.settle([key])
    return key


@pytest.fixture
def big(s3_archive: S3Proxy, settings: Any) -> tuple[str, bytes]:
    """A file above what is fetched whole; nothing of it is here."""
    data = os.urandom(BIG)
    key = stored(data)
    forget()
    s3_archive.seen.clear()
    return key, data


def forget() -> None:
    from django.conf import settings

    shutil.rmtree(settings.ARCHIVE_CACHE_DIR)


def test_what_was_put_is_read_here_without_asking(s3_archive: S3Proxy, bucket: str) -> None:
    data = os.urandom(100_000)
    key = stored(data)
    assert key == archive.key_of(1, hashlib.sha256(data).hexdigest())
    assert [(method, path) for method, path, _ in s3_archive.seen] == [
        ("PUT", f"/{bucket}/pacs/{key}")
    ]
    assert archive.local_path(key).read_bytes() == data
    with archive.open_file(key) as file:
        assert file.read() == data
    assert archive.opened(key, len(data)).read(5, 10) == data[5:15]
    assert len(s3_archive.seen) == 1
    with archive.open_archived(key) as file:
        assert file.read() == data
    assert s3_archive.count("GET") == 1
    assert list(archive.all_keys()) == [key]


def test_a_stretch_of_a_large_file_is_one_request_of_that_stretch(
    s3_archive: S3Proxy, big: tuple[str, bytes]
) -> None:
    key, data = big
    file = archive.opened(key, BIG)
    at = 5 * 2**20 + 7
    assert file.read(at, 1000) == data[at : at + 1000]
    assert [span for _, _, span in s3_archive.seen] == [f"bytes={5 * 2**20}-{6 * 2**20 - 1}"]
    # The next of that block, and the same file opened anew: nothing is asked.
    assert file.read(at + 1000, 2000) == data[at + 1000 : at + 3000]
    assert archive.opened(key, BIG).read(at, 50) == data[at : at + 50]
    assert len(s3_archive.seen) == 1


def test_front_to_back_takes_few_requests(s3_archive: S3Proxy, big: tuple[str, bytes]) -> None:
    key, data = big
    file = archive.opened(key, BIG)
    step = 256 * 1024
    got = b"".join(file.read(at, min(step, BIG - at)) for at in range(0, BIG, step))
    assert got == data
    assert s3_archive.count("GET") <= 4
    with pytest.raises(OSError, match="shorter"):
        file.read(BIG - 1, 2)


def test_a_file_of_another_size_than_its_row_says(
    s3_archive: S3Proxy, big: tuple[str, bytes]
) -> None:
    key, _ = big
    with pytest.raises(OSError, match="another size"):
        archive.opened(key, BIG + 100).read(0, 100)


def test_many_that_ask_at_once_fetch_once(s3_archive: S3Proxy) -> None:
    data = os.urandom(2 * 2**20)
    key = stored(data)
    forget()
    s3_archive.seen.clear()
    s3_archive.trouble = "slow"
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.append(archive.local_path(key).read_bytes()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [data] * 8
    assert s3_archive.count("GET") == 1
    assert not copies._locks


@pytest.mark.parametrize(
    ("trouble", "error", "words"),
    [
        ("AccessDenied", ArchiveRefuses, "check its address and credentials"),
        ("SignatureDoesNotMatch", ArchiveRefuses, "check its address and credentials"),
        ("SlowDown", ArchiveDown, "fewer requests"),
        ("cut", ArchiveDown, "does not answer"),
    ],
)
def test_refused_or_cut_leaves_nothing_half(
    s3_archive: S3Proxy, trouble: str, error: type[Exception], words: str
) -> None:
    data = os.urandom(300_000)
    key = stored(data)
    forget()
    s3_archive.trouble = trouble
    with pytest.raises(error, match=words):
        archive.local_path(key)
    if trouble != "cut":
        other = Payload.from_bytes(os.urandom(100))
        with pytest.raises(error, match=words):
            archive.put(other, site_id=1, sha256=other.sha256)
        assert words in str(archive.trouble()) or trouble == "SlowDown"
    with pytest.raises(error):
        archive.opened(key, archive.WHOLE + 1).read(0, 10)
    s3_archive.trouble = ""
    assert archive.trouble() is None
    assert archive.local_path(key).read_bytes() == data


def test_a_missing_bucket_and_a_server_that_is_gone(settings: Any, s3_server: str) -> None:
    payload = Payload.from_bytes(b"x")
    for address, error in (
        (f"s3://key:secret@nowhere?endpoint_url={s3_server}", ArchiveRefuses),
        (f"s3://key:secret@b?endpoint_url=http://127.0.0.1:{free_port()}", ArchiveDown),
    ):
        entry = archive_storage(address, "")
        with override_settings(STORAGES={**settings.STORAGES, "archive": entry}):
            with pytest.raises(error):
                archive.put(payload, site_id=1, sha256=payload.sha256)
            assert archive.trouble()


def test_damaged_there_is_detected_and_healed(s3_archive: S3Proxy, bucket: str) -> None:
    data = os.urandom(200_000)
    key = stored(data)
    forget()
    client(s3_archive.url).put_object(Bucket=bucket, Key=f"pacs/{key}", Body=b"rubbish")
    archive.fetch_missing_with(lambda _: False)
    with pytest.raises(ArchiveDamaged):
        archive.local_path(key)

    def heal(wanted: str) -> bool:
        archive.replace(wanted, Payload.from_bytes(data))
        return True

    archive.fetch_missing_with(heal)
    assert archive.local_path(key).read_bytes() == data


def test_flipped_on_the_way_is_not_believed(s3_archive: S3Proxy) -> None:
    key = stored(os.urandom(50_000))
    forget()
    archive.fetch_missing_with(lambda _: False)
    s3_archive.trouble = "flip"
    with pytest.raises(ArchiveDamaged):
        archive.local_path(key)


def test_missing_is_asked_for_elsewhere(s3_archive: S3Proxy, bucket: str) -> None:
    data = os.urandom(archive.WHOLE + 5)
    key = stored(data)
    archive.erase(key)
    asked: list[str] = []

    def nobody(wanted: str) -> bool:
        asked.append(wanted)
        return False

    archive.fetch_missing_with(nobody)
    with pytest.raises(FileNotFoundError):
        archive.local_path(key)
    with pytest.raises(FileNotFoundError):
        archive.opened(key, len(data)).read(0, 10)
    with pytest.raises(FileNotFoundError), archive.open_archived(key) as file:
        file.read()
    assert asked == [key, key]
    assert client(s3_archive.url).list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_large_files_go_in_parts(
    s3_archive: S3Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(buckets, "ONE_PIECE", 2**20)
    data = os.urandom(17 * 2**20)
    payload = Payload.read(iter([data]), limit=2**30, spool_dir=tmp_path)
    key = archive.put(payload, site_id=1, sha256=payload.sha256)
    payload.close()
    assert s3_archive.count("POST") == 2
    forget()
    assert archive.local_path(key).read_bytes() == data


def test_copies_stay_within_their_bound(s3_archive: S3Proxy, settings: Any) -> None:
    settings.ARCHIVE_CACHE_BYTES = 2**20
    keys = [stored(os.urandom(60_000)) for _ in range(40)]
    folder = Path(settings.ARCHIVE_CACHE_DIR)
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if path.is_file():
            os.utime(path, (number, number))  # used long ago
    copies._bounded.trim()
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert 0 < held <= 2**20
    assert all(len(archive.local_path(key).read_bytes()) == 60_000 for key in keys)


def test_copies_are_never_what_fills_the_disk(
    s3_archive: S3Proxy, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [stored(os.urandom(30_000)) for _ in range(20)]
    folder = Path(settings.ARCHIVE_CACHE_DIR)
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if path.is_file():
            os.utime(path, (number, number))
    disk = os.statvfs(folder)
    settings.MIN_FREE_BYTES = disk.f_bavail * disk.f_frsize  # half of what is kept free
    stored(os.urandom(30_000))
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert held <= 11 * 30_000
    settings.MIN_FREE_BYTES = 0
    assert all(archive.local_path(key).stat().st_size == 30_000 for key in keys)


def test_no_room_for_a_copy_is_told_as_such(s3_archive: S3Proxy, settings: Any) -> None:
    data = os.urandom(400_000)
    key = stored(data)
    forget()
    with small_disk(Path(settings.ARCHIVE_CACHE_DIR), 256 * 1024):
        with pytest.raises(ArchiveDown, match="no room"):
            archive.local_path(key)
        assert archive.opened(key, archive.WHOLE + 1)  # nothing is read yet
    assert archive.local_path(key).read_bytes() == data


def test_addresses() -> None:
    folder = archive_storage("", "/srv/archive")
    assert folder["OPTIONS"] == {"location": "/srv/archive"}
    assert archive_storage("file:///srv/x", "")["OPTIONS"] == {"location": "/srv/x"}
    for wrong in ("cloudinary://k:s@cloud", "s3:///prefix", "http://host", "file://host/x"):
        with pytest.raises(ImproperlyConfigured, match="PACS_ARCHIVE_URL"):
            archive_storage(wrong, "")
    here = archive_storage("s3://k:s@images/a?endpoint_url=http://h", "")
    there = backup_storage("s3://other:key@images/a?endpoint_url=http://h")
    assert there is not None
    with pytest.raises(ImproperlyConfigured, match="its own"):
        apart(here, there)
    elsewhere = backup_storage("s3://k:s@images/b?endpoint_url=http://h")
    assert elsewhere is not None
    apart(here, elsewhere)


@pytest.fixture(scope="module")
def _blocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with override_settings(ARCHIVE_CACHE_DIR=tmp_path_factory.mktemp("blocks")):
        yield


@hypothesis.settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3 * copies.BLOCK + 99), st.integers(0, 3 * copies.BLOCK)),
        min_size=1,
        max_size=6,
    )
)
@pytest.mark.usefixtures("_blocks")
def test_any_stretches_in_any_order(wanted: list[tuple[int, int]]) -> None:
    data = hashlib.shake_128(b"block").digest(3 * copies.BLOCK + 100)
    asked: list[tuple[int, int]] = []

    def fetch(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        assert 0 <= offset < offset + length <= len(data)
        return data[offset : offset + length]

    blocks = copies.Blocks(f"1/aa/{os.urandom(32).hex()}", len(data), fetch)
    for offset, length in wanted:
        length = min(length, len(data) - offset)
        assert blocks.read(offset, length) == data[offset : offset + length]
    assert len(asked) <= len(wanted)
