"""Documents on their way to a real MongoDB-compatible process: down, killed, emptied, overtaken."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from threading import Barrier, Event, Thread
from time import monotonic, sleep
from typing import Any

import pymongo
import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.utils import timezone

from pacs.audit.models import AuditEvent
from studies import documents
from studies.corrections.services import Why, correct_facts, move_series, undo
from studies.dicom.matching import Matcher
from studies.dicomweb.dataplane import DataPlane
from studies.documents import delivery, health, mongo, outbox, reading, table
from studies.documents.document import Document
from studies.documents.models import DocumentChange
from studies.models import Instance, MetadataDocument, Series, Study
from studies.services import ingest
from studies.tasks import documents_sweep
from tests.dicomweb.asking import AsgiClient, ct_file, fallback
from tests.servers.mongo import MongoServer
from tests.servers.ports import free_port
from tests.studies.mongo_homes import deliver_all, mongo_home, wait_is_over

ROOT = Path(__file__).parents[2]
UID = "1.2.826.0.1.3680043.10.88"
KVP = ("00180060",)
pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def home(mongo_server: MongoServer, settings: Any, tmp_path: Path) -> Iterator[str]:
    settings.CACHE_DIR = tmp_path / "cache"
    with mongo_home(mongo_server, settings) as url:
        yield url


@pytest.fixture
def collection(home: str) -> Iterator[Any]:
    """The collection as anybody else would see it."""
    with pymongo.MongoClient(home, serverSelectionTimeoutMS=5000) as client:
        yield client.get_default_database()["documents"]


@pytest.fixture
def dicomweb(radiologist: Any, bearer: Any) -> Iterator[AsgiClient]:
    plane = DataPlane(fallback)
    yield AsgiClient(plane, bearer(radiologist))
    plane.close()


def put(site: Any, study: int = 1, number: int = 1, series: int = 1, **elements: Any) -> None:
    file = ct_file(
        study=f"{UID}.{study}",
        series=f"{UID}.{study}.{series}",
        instance=f"{UID}.{study}.{series}.{number}",
        number=number,
        seed=number,
        **{"KVP": "120", **elements},
    )
    result = ingest.store(BytesIO(file), source="test", site=site)
    assert result.outcome in ("stored", "duplicate")


def document(site: Any, uid: str, body: dict[str, Any]) -> Document:
    return Document(site.pk, "1.1", "1.1.1", uid, None, json.dumps(body))


def both_alike(collection: Any) -> None:
    """MongoDB has what the table has, each once."""
    there = {one["_id"]: one for one in collection.find()}
    rows = list(MetadataDocument.objects.all())
    assert there.keys() == {f"{row.site_id}/{row.sop_instance_uid}" for row in rows}
    for row in rows:
        one = there[f"{row.site_id}/{row.sop_instance_uid}"]
        assert (one["body"], one["overlay"]) == (row.body, row.overlay)
        assert (one["study"], one["series"]) == (row.study_instance_uid, row.series_instance_uid)


def actions() -> list[str]:
    rows = AuditEvent.objects.filter(action__startswith="documents.").order_by("id")
    return list(rows.values_list("action", flat=True))


def series_json(study: int = 1) -> Any:
    row = Series.objects.select_related("study").get(
        study__study_instance_uid=f"{UID}.{study}", series_instance_uid=f"{UID}.{study}.1"
    )
    return json.loads(documents.series_json(row))


class TestDown:
    def test_at_the_start(
        self,
        tmp_path: Path,
        settings: Any,
        site: Any,
        client: Any,
        mailoutbox: list[Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Images come in and are shown; it is said; all is delivered when it is there."""
        settings.ALERT_EMAILS = ["it@example.org"]
        settings.CACHE_DIR = tmp_path / "cache"
        server = MongoServer(tmp_path / "mongo")
        settings.MONGODB_URL = server.url()
        try:
            monkeypatch.setattr(mongo, "READ_SECONDS", 0.5)
            for number in range(3):
                begun = monotonic()
                put(site, number=number)
                assert monotonic() - begun < 2, "ingest does not wait for MongoDB"
            for _ in range(3):
                documents_sweep()
                wait_is_over()
            assert actions() == ["documents.down"]
            documents_sweep()
            assert [mail.subject for mail in mailoutbox] == [
                "MongoDB does not get the portal's documents"
            ]
            assert "127.0.0.1" not in mailoutbox[0].body
            answer = client.get("/healthz").json()
            assert answer["parts"]["documents"].startswith("MongoDB does not answer")
            assert health.lag()["waiting"] == 3
            assert [one["00200013"]["Value"] for one in series_json()] == [[0], [1], [2]]
            assert Instance.objects.count() == 3

            monkeypatch.undo()
            server.start()
            wait_is_over()
            deliver_all()
            assert actions() == ["documents.down", "documents.back"]
            assert client.get("/healthz").json()["parts"]["documents"] == "ok"
            with pymongo.MongoClient(settings.MONGODB_URL) as there:
                found = there["lightbox"]["documents"]
                both_alike(found)
                assert "series" in found.index_information()
        finally:
            mongo.close()
            server.stop()

    def test_healthz_is_degraded_and_not_down(self, settings: Any, client: Any, db: Any) -> None:
        """A balancer that takes every portal away would make an outage of it."""
        assert "documents" not in client.get("/healthz").json()["parts"]
        from pacs.health.models import Heartbeat

        Heartbeat.objects.create(name="worker", at=timezone.now())
        settings.MONGODB_URL = f"mongodb://127.0.0.1:{free_port()}/x"
        health.row()
        health.rows().update(failures=1, last_error="MongoDB does not answer")
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")

    def test_in_the_middle(
        self,
        home: str,
        collection: Any,
        mongo_server: MongoServer,
        site: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """kill -9 three times while images come in and two workers deliver."""
        monkeypatch.setattr(mongo, "LOOK_SECONDS", 1.0)
        deliver_all()
        stop, stored = Event(), []

        def work() -> None:
            while not stop.is_set():
                wait_is_over()
                delivery.run(1)
                sleep(0.02)
            connections.close_all()

        def store() -> None:
            for number in range(60):
                put(site, study=1 + number % 3, number=number)
                stored.append(number)
                sleep(0.1)
            connections.close_all()

        workers = [Thread(target=work), Thread(target=work)]
        storing = Thread(target=store)
        for thread in (storing, *workers):
            thread.start()
        for after in (10, 25, 40):
            until = monotonic() + 60
            while len(stored) < after and monotonic() < until:
                sleep(0.01)
            mongo_server.kill()
            while not health.row().failures and monotonic() < until:
                sleep(0.01)
            mongo_server.start()
            while health.row().failures and monotonic() < until:
                sleep(0.01)
        storing.join(60)
        stop.set()
        for thread in workers:
            thread.join(90)
        assert len(stored) == Instance.objects.count() == 60
        DocumentChange.objects.update(next_attempt_at=timezone.now())  # leases of nobody
        wait_is_over()
        deliver_all()
        both_alike(collection)
        assert collection.count_documents({}) == 60
        said = actions()
        assert said == ["documents.down", "documents.back"] * (len(said) // 2)
        assert len(said) >= 6

    def test_reads_go_on_from_the_table(
        self, home: str, mongo_server: MongoServer, site: Any, dicomweb: AsgiClient
    ) -> None:
        put(site)
        deliver_all()
        key = {(site.pk, f"{UID}.1")}
        mongo_server.kill()
        try:
            begun = monotonic()
            assert documents.search({KVP: Matcher("DS", "120")}, 9, among=key) == key
            assert monotonic() - begun < 6
            begun = monotonic()
            reply = dicomweb.get(f"/dicom-web/studies/{UID}.1/metadata")
            assert reply.status == 200
            assert len(reply.json) == 1
            assert dicomweb.get("/dicom-web/studies?KVP=120&includefield=all").json
            assert monotonic() - begun < 2, "only the first one waits"
        finally:
            mongo_server.start()

    def test_a_server_that_never_answers(
        self, settings: Any, site: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mongo, "READ_SECONDS", 1.0)
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(50)
            settings.MONGODB_URL = f"mongodb://127.0.0.1:{silent.getsockname()[1]}/x"
            try:
                put(site)
                begun = monotonic()
                delivery.watch()
                assert monotonic() - begun < 4
                assert health.row().failures == 1
                assert not delivery.run(), "paused"
                assert health.lag()["waiting"] == 1
            finally:
                mongo.close()

    def test_a_wrong_password(self, mongo_server: MongoServer, settings: Any, site: Any) -> None:
        place = f"127.0.0.1:{mongo_server.port}"
        settings.MONGODB_URL = f"mongodb://portal:secret@{place}/x?authSource=admin"
        try:
            put(site)
            delivery.watch()
            row = health.row()
            assert row.last_error == "MongoDB refuses (18)"
            assert row.paused_until is not None
            assert row.paused_until > timezone.now() + timedelta(seconds=30)
            assert health.lag()["waiting"] == 1
        finally:
            mongo.close()

    def test_nothing_is_asked_inside_of_a_transaction(self, settings: Any, site: Any) -> None:
        settings.MONGODB_URL = f"mongodb://127.0.0.1:{free_port()}/x"
        health.row()
        health.rows().update(ready_at=timezone.now())
        put(site)
        DocumentChange.objects.all().delete()
        begun = monotonic()
        with transaction.atomic():
            assert documents.get_many(site.pk, [f"{UID}.1.1.1"])
            assert documents.instance_json(site.pk, f"{UID}.1.1.1")
        assert monotonic() - begun < 0.5
        assert not mongo._clients


class TestOvertaken:
    def test_duplicate_key(self, home: str, collection: Any, site: Any) -> None:
        """Of two writers that saw the same revision one writes; nothing older replaces it."""
        documents.replace_many([document(site, "1.1", {"00080060": {"vr": "CS"}})])
        (old,) = delivery.stored({(site.pk, "1.1")})
        documents.replace_many([document(site, "1.1", {"00080060": {"vr": "LO"}})])
        (new,) = delivery.stored({(site.pk, "1.1")})
        assert mongo.replace_many([new], {}).done == {(site.pk, "1.1")}
        late = mongo.replace_many([old], {})
        assert (late.done, late.overtaken) == (set(), {(site.pk, "1.1")})
        assert mongo.replace_many([old], {(site.pk, "1.1"): 7}).overtaken
        assert collection.find_one()["body"] == new.body
        deliver_all()
        assert collection.find_one()["revision"] == 2

    def test_a_change_while_it_is_delivered(
        self, home: str, collection: Any, site: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is written between reading and writing stays in the outbox and follows."""
        documents.replace_many([document(site, "1.1", {"00080060": {"vr": "CS"}})])
        plain = mongo.replace_many

        def slow(found: Any, seen: Any) -> Any:
            monkeypatch.setattr(mongo, "replace_many", plain)
            documents.replace_many([document(site, "1.1", {"00080060": {"vr": "LO"}})])
            return plain(found, seen)

        monkeypatch.setattr(mongo, "replace_many", slow)
        deliver_all()
        assert collection.find_one()["body"] == {"00080060": {"vr": "LO"}}

    def test_somebody_elses_record(self, home: str, collection: Any, site: Any) -> None:
        for odd in ({}, {"revision": "x", "digest": 5}, {"revision": None}):
            collection.replace_one(
                {"_id": f"{site.pk}/1.1"}, {"_id": f"{site.pk}/1.1", **odd}, upsert=True
            )
            documents.replace_many([document(site, "1.1", {"00080060": {"vr": "CS"}})])
            deliver_all()
            both_alike(collection)

    def test_two_workers(self, home: str, collection: Any, site: Any) -> None:
        """Each document is delivered once."""
        documents.replace_many([document(site, f"1.{n}", {}) for n in range(500)])
        start = Barrier(2)

        def work() -> None:
            start.wait()
            delivery.run()
            connections.close_all()

        threads = [Thread(target=work), Thread(target=work)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not DocumentChange.objects.exists()
        assert collection.count_documents({"revision": 1}) == 500

    def test_what_mongodb_cannot_hold(self, home: str, collection: Any, site: Any) -> None:
        """It stays in the table, is read from there, and is delivered once it fits."""
        large = {"00091001": {"vr": "UT", "Value": ["x" * (16 * 2**20)]}}
        wide = {
            "00080060": {"vr": "CS", "Value": ["MR"]},
            "00091001": {"vr": "UV", "Value": [2**64 - 1]},
        }
        for number, body in enumerate((large, wide)):
            documents.replace_many([document(site, f"1.{number}", body)])
        delivery.watch()
        assert not delivery.run()
        assert health.lag()["kept"] == 2
        assert documents.get_many(site.pk, ["1.0", "1.1"]) == {"1.0": large, "1.1": wide}
        assert len(reading.texts_of_series(site.pk, "1.1", "1.1.1")) == 2
        key = {(site.pk, "1.1")}
        assert documents.search({("00080060",): Matcher("CS", "MR")}, 9, among=key) == key
        documents.replace_many([document(site, f"1.{number}", {}) for number in (0, 1)])
        deliver_all()
        both_alike(collection)


class TestLost:
    def test_records_that_vanished(self, home: str, collection: Any, site: Any) -> None:
        """A series is never shown with fewer images; what is missing goes there again."""
        for number in range(4):
            put(site, number=number)
        deliver_all()
        collection.delete_many({"number": {"$in": [1, 2]}})
        key = {(site.pk, f"{UID}.1")}
        images = {(site.pk, f"{UID}.1", f"{UID}.1.1", f"{UID}.1.1.2")}
        assert documents.search({KVP: Matcher("DS", "120")}, 9, among=images) == images
        assert documents.first_of_each(images).keys() == images
        assert documents.search({KVP: Matcher("DS", "120")}, 9, among=key) == key
        assert len(series_json()) == 4
        assert health.lag()["waiting"] == 4
        deliver_all()
        both_alike(collection)

    def test_the_check_finds_what_differs(self, home: str, collection: Any, site: Any) -> None:
        for number in range(3):
            put(site, number=number)
        deliver_all()
        collection.delete_one({"number": 0})
        collection.update_one({"number": 1}, {"$set": {"digest": "another"}})
        delivery.watch(check=True)
        assert health.lag()["waiting"] == 2
        deliver_all()
        both_alike(collection)

    def test_an_emptied_server_is_not_read(self, home: str, collection: Any, site: Any) -> None:
        put(site)
        deliver_all()
        collection.database.client.drop_database(collection.database.name)
        delivery.watch(limit=1)
        assert health.row().ready_at is None
        assert len(series_json()) == 1
        while health.row().ready_at is None:
            delivery.watch(limit=1)
        deliver_all()
        both_alike(collection)

    def test_switched_off_and_on(
        self, home: str, collection: Any, site: Any, settings: Any
    ) -> None:
        """What is changed without MongoDB is found by a new round."""
        put(site)
        deliver_all()
        settings.MONGODB_URL = ""
        delivery.watch()
        put(site, number=2)
        documents.lay(site.pk, f"{UID}.1", f"{UID}.1.1", None)
        assert not DocumentChange.objects.exists()
        settings.MONGODB_URL = home
        assert not health.may_read()
        deliver_all()
        both_alike(collection)


class TestCorrections:
    def test_shown_and_found_before_and_after_delivery(
        self, home: str, collection: Any, site: Any, technician: Any, dicomweb: AsgiClient
    ) -> None:
        for number in (1, 2):
            put(site, number=number)
        put(site, study=2)
        deliver_all()

        def is_right(name: str, patient: str, count: int = 2) -> None:
            root = f"/dicom-web/studies/{UID}.1"
            shown = dicomweb.get(f"{root}/metadata").json
            assert len(shown) == count
            for one in [*shown, *dicomweb.get(f"{root}/series/{UID}.1.1/metadata").json]:
                assert one["00100010"]["Value"][0]["Alphabetic"] == name
                assert one["00100020"]["Value"] == [patient]
            path = f"{root}/series/{UID}.1.1/instances/{UID}.1.1.1/metadata"
            assert dicomweb.get(path).json[0]["00100020"]["Value"] == [patient]
            key, tag = (site.pk, f"{UID}.1"), ("00100010",)
            for asked in ("DOE^Jane", "MÜLLER^Jürgen"):
                found = documents.search({tag: Matcher("PN", asked)}, 9, among={key})
                assert found == ({key} if asked == name else set())
            first = documents.first_of_each([key])[key]
            assert first["00100020"]["Value"] == [patient]
            query = f"/dicom-web/studies?PatientID={patient}&KVP=120&includefield=all"
            assert f"{UID}.1" in [one["0020000D"]["Value"][0] for one in dicomweb.get(query).json]

        why = Why(technician, "typing")
        said = {"PatientName": "MÜLLER^Jürgen", "PatientID": "RIGHT-1"}
        made = correct_facts(_study(1).pk, 0, said, why)
        assert health.lag()["waiting"] == 2
        is_right("MÜLLER^Jürgen", "RIGHT-1")
        deliver_all()
        assert collection.count_documents({"overlay.00100020.Value": "RIGHT-1"}) == 2
        is_right("MÜLLER^Jürgen", "RIGHT-1")
        put(site, number=3)
        is_right("MÜLLER^Jürgen", "RIGHT-1", 3)
        deliver_all()
        is_right("MÜLLER^Jürgen", "RIGHT-1", 3)
        undo(made.correction.pk, technician, {})
        is_right("DOE^Jane", "P-1", 3)
        deliver_all()
        is_right("DOE^Jane", "P-1", 3)
        both_alike(collection)

    def test_a_moved_series_is_in_one_study(
        self, home: str, collection: Any, site: Any, technician: Any, dicomweb: AsgiClient
    ) -> None:
        put(site, study=1, series=1)
        put(site, study=1, series=2)
        put(site, study=2, series=5)
        deliver_all()
        why = Why(technician, "patient")
        moved = Series.objects.get(series_instance_uid=f"{UID}.1.2")
        move_series(_study(1).pk, 0, [moved.pk], _study(2).pk, why)

        def where() -> list[int]:
            found = [dicomweb.get(f"/dicom-web/studies/{UID}.{n}/metadata").json for n in (1, 2)]
            for number, images in enumerate(found, 1):
                assert {one["0020000D"]["Value"][0] for one in images} == {f"{UID}.{number}"}
            return [len(images) for images in found]

        assert where() == [1, 2]
        deliver_all()
        assert where() == [1, 2]
        assert collection.count_documents({"study": f"{UID}.2"}) == 2
        both_alike(collection)

    def test_the_first_image_moves_away(self, home: str, collection: Any, site: Any) -> None:
        """Its old study does not answer with it, not even before MongoDB knows."""
        for uid in ("1.1.1.1", "1.1.1.2"):
            documents.replace_many(
                [document(site, uid, {"00080018": {"vr": "UI", "Value": [uid]}})]
            )
        deliver_all()
        documents.move(site.pk, ["1.1.1.1"], "1.7")
        for _ in range(2):
            for study, uid in (("1.1", "1.1.1.2"), ("1.7", "1.1.1.1")):
                key = (site.pk, study)
                (found,) = documents.first_of_each([key]).values()
                assert found["00080018"]["Value"] == [uid]
            deliver_all()


def _study(number: int) -> Study:
    return Study.objects.get(study_instance_uid=f"{UID}.{number}")


class TestSync:
    def run(self, *arguments: str) -> str:
        out = StringIO()
        call_command("sync_documents", *arguments, stdout=out)
        return out.getvalue()

    def test_to_mongodb(self, home: str, collection: Any, site: Any, settings: Any) -> None:
        """From a portal that had none; a dry run only counts."""
        settings.MONGODB_URL = ""
        for number in range(5):
            put(site, number=number)
        settings.MONGODB_URL = home
        assert self.run("--dry-run").startswith(
            "5 looked at: 5 missing, 0 different, 0 of no image here; 0 written"
        )
        assert collection.count_documents({}) == 0
        assert not DocumentChange.objects.exists()
        self.run("--batch", "2")
        both_alike(collection)
        assert self.run().startswith("5 looked at: 0 missing, 0 different")
        collection.update_one({"number": 3}, {"$set": {"digest": "x", "body": {}}})
        self.run()
        both_alike(collection)

    def test_to_the_table(self, home: str, collection: Any, site: Any) -> None:
        for number in range(5):
            put(site, number=number)
        deliver_all()
        before = {row.sop_instance_uid: row.body for row in MetadataDocument.objects.all()}
        MetadataDocument.objects.filter(instance_number__in=[1, 3]).delete()
        collection.insert_one({"_id": f"{site.pk}/9.9", "body": {}, "overlay": None})
        said = "6 looked at: 2 missing, 0 different, 1 of no image here; "
        assert self.run("--to", "table", "--dry-run").startswith(f"{said}0 written")
        assert MetadataDocument.objects.count() == 3
        assert self.run("--to", "table", "--batch", "2").startswith(f"{said}2 written")
        assert {row.sop_instance_uid: row.body for row in MetadataDocument.objects.all()} == before
        assert self.run("--to", "table").startswith("6 looked at: 0 missing")

    def test_it_goes_on_where_it_was_broken_off(
        self, home: str, collection: Any, mongo_server: MongoServer, site: Any, tmp_path: Path
    ) -> None:
        """kill -9 of the command's own process."""
        documents.replace_many([document(site, f"1.{n}", {}) for n in range(1500)])
        DocumentChange.objects.all().delete()
        folder = tmp_path / "data"
        folder.mkdir()
        with sqlite3.connect(connections["default"].settings_dict["NAME"]) as source:
            target = sqlite3.connect(folder / "lightbox.sqlite3")
            source.backup(target)
            target.close()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PACS_")},
            "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
            "PACS_DATA_DIR": str(folder),
            "MONGODB_URL": home,
        }
        command = [sys.executable, "manage.py", "sync_documents", "--batch", "100"]
        first = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        until = monotonic() + 60
        while collection.estimated_document_count() < 200 and monotonic() < until:
            assert first.poll() is None, "ended before it was killed"
            sleep(0.02)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        assert 200 <= collection.count_documents({}) < 1500
        with sqlite3.connect(folder / "lightbox.sqlite3") as database:
            database.execute("UPDATE studies_documentchange SET next_attempt_at = created_at")
        database.close()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        both_alike(collection)

    def test_refusals(self, settings: Any, db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mongo, "READ_SECONDS", 0.5)
        settings.MONGODB_URL = ""
        with pytest.raises(CommandError, match="not set"):
            self.run()
        settings.MONGODB_URL = f"mongodb://127.0.0.1:{free_port()}/x"
        try:
            with pytest.raises(CommandError, match="does not answer"):
                self.run()
        finally:
            mongo.close()


def test_writing_is_no_slower_by_the_network(settings: Any, site: Any) -> None:
    """No MongoDB is asked where an image is stored: its outbox row is all there is."""
    settings.MONGODB_URL = f"mongodb://127.0.0.1:{free_port()}/x"
    put(site)
    assert not mongo._clients
    change = DocumentChange.objects.get()
    assert (change.sop_instance_uid, change.study_instance_uid) == (f"{UID}.1.1.1", f"{UID}.1")
    with transaction.atomic():
        documents.replace_many([document(site, "1.1", {})])
        transaction.set_rollback(True)
    assert DocumentChange.objects.count() == 1
    assert outbox.is_on()
    assert table.get_many(site.pk, ["1.1"]) == {}
