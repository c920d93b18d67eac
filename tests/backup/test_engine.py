"""Backing up: every file once, whatever the storage does meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import close_old_connections
from django.utils import timezone

from pacs.audit.models import AuditEvent
from studies import archive
from studies.archive.errors import ArchiveDown
from studies.backup import copies, engine, enrolment, health, keys, safety, verify
from studies.backup.models import BackupHealth, BackupState
from studies.models import Study
from tests.backup.cloudinary_service import CloudinaryService

Store = Callable[[int], list[Any]]


def states() -> list[str]:
    return list(BackupState.objects.order_by("pk").values_list("state", flat=True))


def due_now() -> None:
    BackupState.objects.update(next_attempt_at=timezone.now())
    BackupHealth.objects.update(paused_until=None)


def test_images_are_backed_up_byte_for_byte(folder_backup: Path, store_images: Store) -> None:
    held = store_images(3)
    assert states() == ["pending"] * 3
    assert engine.run() is False
    assert states() == ["done"] * 3
    for instance in held:
        copy = folder_backup / "archive" / instance.archive_key
        assert copy.read_bytes() == archive.local_path(instance.archive_key).read_bytes()
    row = BackupHealth.objects.get()
    assert row.last_success_at is not None
    assert row.last_error == ""


def test_without_a_storage_nothing_is_enrolled_and_catching_up_finds_it(
    store_images: Store, backup_to: Any, tmp_path: Path
) -> None:
    store_images(2)
    assert states() == []
    options = {"location": str(tmp_path / "b")}
    backup_to({"BACKEND": "pacs.storage.DurableFileSystemStorage", "OPTIONS": options})
    assert enrolment.catch_up() == 2
    assert enrolment.catch_up() == 0
    assert states() == ["pending"] * 2


def test_what_leaves_the_machine_is_sealed(
    cloudinary_backup: CloudinaryService, store_images: Store
) -> None:
    (instance,) = store_images(1)
    plain = archive.local_path(instance.archive_key).read_bytes()
    engine.run()
    row = BackupState.objects.get()
    assert row.state == "done"
    assert row.key_id == keys.keys()[0].id
    (name,) = cloudinary_backup.objects
    assert name == f"pacs/archive/{instance.archive_key}.sealed"
    there = cloudinary_backup.objects[name]
    assert plain[200:264] not in there
    assert b"".join(copies.backed_up(row.remote_name, row.file_sha256)) == plain


def test_nothing_is_sealed_before_the_key_is_kept_elsewhere(
    cloudinary_backup: CloudinaryService, store_images: Store
) -> None:
    from studies.backup.models import BackupKey

    BackupKey.objects.update(escrowed_at=None)
    store_images(1)
    assert engine.run() is False
    assert cloudinary_backup.objects == {}
    assert "escrow_key" in BackupHealth.objects.get().last_error


@pytest.mark.parametrize("status", [500, 420, 429, 503])
def test_a_storage_in_trouble_is_tried_again(
    cloudinary_backup: CloudinaryService, store_images: Store, status: int
) -> None:
    store_images(1)
    cloudinary_backup.fail = [status]
    engine.run()
    row = BackupState.objects.get()
    assert (row.state, row.attempts) == ("pending", 1)
    assert row.reason
    assert row.next_attempt_at > timezone.now()
    due_now()
    engine.run()
    assert states() == ["done"]


def test_half_an_answer_is_no_answer(
    cloudinary_backup: CloudinaryService, store_images: Store
) -> None:
    store_images(1)
    cloudinary_backup.half = 1
    engine.run()
    assert states() == ["pending"]
    due_now()
    engine.run()
    assert states() == ["done"]


def test_a_wrong_signature_stops_everything_and_is_told(
    cloudinary_backup: CloudinaryService, store_images: Store
) -> None:
    store_images(3)
    cloudinary_backup.secret = "another"
    engine.run()
    assert states() == ["pending"] * 3
    assert health.is_paused()
    assert "refuses" in BackupHealth.objects.get().last_error
    assert AuditEvent.objects.filter(action="backup.down").count() == 1
    cloudinary_backup.secret = "s3cr3t"
    due_now()
    engine.run()
    assert states() == ["done"] * 3
    assert not health.is_paused()


def test_five_failures_in_a_row_open_the_breaker(
    cloudinary_backup: CloudinaryService, store_images: Store
) -> None:
    store_images(12)
    cloudinary_backup.fail = [500] * 100
    engine.run()
    assert health.is_paused()
    assert len(cloudinary_backup.calls) < 12 + 8
    assert engine.run() is False


def test_a_file_over_the_plans_limit_fails_for_good_with_a_reason(
    cloudinary_backup: CloudinaryService, store_images: Store
) -> None:
    store_images(1)
    cloudinary_backup.limit = 1000
    engine.run()
    row = BackupState.objects.get()
    assert row.state == "failed"
    assert "Larger" in row.reason
    assert not health.is_paused()


def test_a_damaged_archive_file_is_never_uploaded(folder_backup: Path, store_images: Store) -> None:
    (instance,) = store_images(1)
    path = archive.local_path(instance.archive_key)
    path.chmod(0o640)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    engine.run()
    assert states() == ["failed"]
    assert not (folder_backup / "archive" / instance.archive_key).exists()


def test_large_files_go_in_chunks(
    cloudinary_backup: CloudinaryService, monkeypatch: pytest.MonkeyPatch, store_images: Store
) -> None:
    from pacs import cloudinary_storage

    monkeypatch.setattr(cloudinary_storage, "CHUNK_BYTES", 5 * 1024 * 1024)
    from io import BytesIO

    from studies.backup import target

    data = bytes(range(256)) * 50_000
    assert target.put("big", BytesIO(data), len(data)) == len(data)
    assert cloudinary_backup.calls.count("upload") == 3
    assert b"".join(target.stream("big")) == data
    assert target.names("archive") == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_upload_nothing_twice(
    cloudinary_backup: CloudinaryService, store_images: Store
) -> None:
    store_images(40)
    cloudinary_backup.latency = 0.01

    def work() -> None:
        try:
            while engine.run(5):
                pass
        finally:
            close_old_connections()
            from django.db import connection

            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states() == ["done"] * 40
    assert cloudinary_backup.calls.count("upload") == 40


def test_what_a_dead_worker_had_claimed_is_due_again(
    folder_backup: Path, store_images: Store
) -> None:
    store_images(1)
    assert len(engine.claim(10, 7)) == 1
    assert engine.claim(10, 8) == []
    BackupState.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    engine.run()
    assert states() == ["done"]


def test_what_takes_long_stays_with_who_uploads_it(
    cloudinary_backup: CloudinaryService, store_images: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_images(2)
    monkeypatch.setattr(engine, "LEASE", timedelta(seconds=0.6))
    monkeypatch.setattr(engine, "RENEW_SECONDS", 0.1)
    cloudinary_backup.latency = 1.5
    taken: list[int] = []
    slice_ = engine._Slice(keys.sealing_key(), time.monotonic() + 20)
    flush = slice_._flush

    def look(*, force: bool = False) -> None:
        taken.append(len(engine.claim(9, token=1)))
        flush(force=force)

    monkeypatch.setattr(slice_, "_flush", look)
    slice_.work()
    assert len(taken) > 5
    assert sum(taken) == 0
    assert states() == ["done", "done"]
    assert cloudinary_backup.calls.count("upload") == 2


def test_a_study_is_safe_only_with_its_expected_number(
    folder_backup: Path, store_images: Store
) -> None:
    store_images(2)
    study = Study.objects.get()
    assert safety.safety(study).words == "2 received, 0 backed up."
    engine.run()
    assert safety.safety(study).words == "2 received, 2 backed up."
    assert not safety.safety(study).is_safe
    study.expected_instances = 3
    assert not safety.safety(study).is_safe
    study.expected_instances = 2
    assert safety.safety(study).is_safe


class TestVerify:
    @pytest.fixture
    def backed_up(self, cloudinary_backup: CloudinaryService, store_images: Store) -> Any:
        (instance,) = store_images(1)
        engine.run()
        return instance

    def rows(self) -> Any:
        return BackupState.objects.all()

    def test_two_good_copies(self, backed_up: Any) -> None:
        assert verify.verify(self.rows()).is_clean
        assert BackupState.objects.get().verified_at is not None

    def test_a_damaged_archive_file_is_healed(self, backed_up: Any) -> None:
        path = archive.local_path(backed_up.archive_key)
        good = path.read_bytes()
        path.write_bytes(good[:-1] + b"!")
        found = verify.verify(self.rows())
        assert (found.bad_archive, found.healed, found.lost) == (1, 1, [])
        assert path.read_bytes() == good

    def test_a_damaged_backup_is_healed(
        self, backed_up: Any, cloudinary_backup: CloudinaryService
    ) -> None:
        (name,) = cloudinary_backup.objects
        good = cloudinary_backup.objects[name]
        cloudinary_backup.objects[name] = good[:-1] + bytes([good[-1] ^ 1])
        found = verify.verify(self.rows())
        assert (found.bad_backup, found.healed) == (1, 1)
        assert verify.verify(self.rows()).is_clean

    def test_a_backup_that_was_deleted_there_is_made_again(
        self, backed_up: Any, cloudinary_backup: CloudinaryService
    ) -> None:
        cloudinary_backup.objects.clear()
        assert verify.verify(self.rows()).healed == 1
        assert len(cloudinary_backup.objects) == 1

    def test_two_bad_copies_are_told(
        self, backed_up: Any, cloudinary_backup: CloudinaryService
    ) -> None:
        cloudinary_backup.objects.clear()
        archive.local_path(backed_up.archive_key).unlink()
        found = verify.verify(self.rows())
        assert found.lost == [BackupState.objects.get().pk]
        assert AuditEvent.objects.filter(action="backup.verified", outcome="failed").exists()

    def test_a_copy_that_cannot_be_reached_is_not_called_lost(
        self, backed_up: Any, cloudinary_backup: CloudinaryService
    ) -> None:
        archive.local_path(backed_up.archive_key).unlink()
        cloudinary_backup.fail = [500] * 20
        found = verify.verify(self.rows())
        assert (found.unreachable, found.bad_archive, found.lost) == (1, 1, [])
        assert not found.is_clean
        cloudinary_backup.fail = []
        assert verify.verify(self.rows()).healed == 1

    def test_an_archive_that_does_not_answer(
        self, backed_up: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def down(key: str) -> Any:
            raise ArchiveDown("The archive's storage does not answer.")

        monkeypatch.setattr(archive, "open_archived", down)
        found = verify.verify(self.rows())
        assert (found.unreachable, found.bad_archive, found.lost) == (1, 0, [])

    def test_a_missing_file_comes_back_while_somebody_reads_it(self, backed_up: Any) -> None:
        path = archive.local_path(backed_up.archive_key)
        good = path.read_bytes()
        path.unlink()
        assert archive.local_path(backed_up.archive_key).read_bytes() == good
        path.unlink()
        with archive.open_file(backed_up.archive_key) as handle:
            assert handle.read() == good
        assert AuditEvent.objects.filter(action="archive.healed").count() == 2
