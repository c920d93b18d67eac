"""A load on the whole cluster, its parts killed with signal 9: nothing lost, nothing twice.

LIGHTBOX_CLUSTER_IMAGES sets the size of the load; docs/reliability.md has the numbers of 5,000.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydicom import dcmread
from pymongo import MongoClient
from websockets.sync.client import connect

from studies.demo import synth
from tests.servers.cluster import BUCKET, Cluster
from tests.servers.orthanc import SEND_ENVIRONMENT, send_command
from tests.servers.portal import wait

pytestmark = [pytest.mark.integration, pytest.mark.cluster, pytest.mark.timeout(1800)]

IMAGES = int(os.environ.get("LIGHTBOX_CLUSTER_IMAGES", "600"))
STUDIES = 12
TIMES = 3


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, s3_server: str) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), s3_server) as made:
        yield made


class Load(threading.Thread):
    """Sends study after study until Orthanc has taken each whole, spread over all that happens."""

    def __init__(self, cluster: Cluster, studies: list[list[Path]]) -> None:
        super().__init__(daemon=True)
        self.cluster = cluster
        self.studies = studies
        self.repeated = 0
        self.happened = 0.0
        """The share of the kills that are done."""

    def run(self) -> None:
        for place, files in enumerate(self.studies):
            while self.happened < place / len(self.studies):
                time.sleep(0.05)
            while not self._send(files):
                self.repeated += 1
                time.sleep(1)

    def _send(self, files: list[Path]) -> bool:
        """Whether Orthanc has all of them: dcmsend ends well where it was cut off."""
        stack = self.cluster.stack
        subprocess.run(
            send_command(files, stack.dicom_port, "LIGHTBOX"),
            env={**os.environ, **SEND_ENVIRONMENT},
            capture_output=True,
            timeout=300,
            check=False,
        )
        uid = str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
        return self.cluster.held_by_orthanc(uid) == len(files)


class Listener(threading.Thread):
    """A worklist's socket through nginx, which connects again as the browser does."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.cluster = cluster
        self.heard: Counter[str] = Counter()
        self.hellos = 0
        self.stopping = False

    def run(self) -> None:
        trust = ssl.create_default_context(cafile=str(self.cluster.authority.certificate))
        address = f"wss://127.0.0.1:{self.cluster.tls_port}/ws/worklist/"
        token = self.cluster.portal.tokens["radiologist"]
        while not self.stopping:
            try:
                with connect(
                    address,
                    additional_headers={"Authorization": f"Bearer {token}"},
                    ssl=trust,
                    open_timeout=10,
                ) as socket:
                    while not self.stopping:
                        try:
                            event = json.loads(socket.recv(1))
                        except TimeoutError:
                            continue
                        self.hellos += event["type"] == "hello"
                        self.heard[event["type"]] += 1
            except Exception:  # whatever broke it: it connects again
                time.sleep(0.5)


def sql(cluster: Cluster, statement: str) -> list[Any]:
    with psycopg.connect(cluster.postgres.url, autocommit=True) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[call-overload]


def number(cluster: Cluster, statement: str) -> int:
    return int(sql(cluster, statement)[0][0])


def objects(cluster: Cluster) -> list[str]:
    pages = cluster.client.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="pacs/1/"
    )
    return [each["Key"] for page in pages for each in page.get("Contents", ())]


def test_parts_are_killed_under_load(cluster: Cluster, tmp_path: Path) -> None:
    studies = []
    for place in range(STUDIES):
        folder = tmp_path / str(place)
        folder.mkdir()
        made = synth.ct_series(
            folder,
            slices=IMAGES // STUDIES,
            size=64,
            seed=1000 + place,
            patient_name=f"Cluster^{place}",
            patient_id=f"CLUSTER-{place}",
        )
        studies.append([Path(path) for path in made])
    files = [path for study in studies for path in study]
    wanted = {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in files}
    assert len(wanted) == len(files)

    listeners = [Listener(cluster) for _ in range(2)]
    for listener in listeners:
        listener.start()
    load = Load(cluster, studies)
    began = time.monotonic()
    load.start()
    order = [name for _ in range(TIMES) for name in cluster.victims()]
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    random.Random(seed).shuffle(order)
    victims, killed = cluster.victims(), Counter[str]()
    for name in order:
        victims[name]()
        killed[name] += 1
        load.happened = killed.total() / len(order)
        time.sleep(random.Random(f"{seed}{killed.total()}").uniform(0.2, 1.5))
    load.join(600)
    assert not load.is_alive(), "the modality is not done"
    assert min(killed[name] for name in victims) >= TIMES
    sent = time.monotonic() - began

    portal = cluster.portal
    cluster.stack.wait_healthy(120)
    total = "SELECT count(*) FROM studies_instance"
    wait(lambda: number(cluster, total) >= len(files), 300, "all are indexed", portal)
    indexed = time.monotonic() - began
    done = "SELECT count(*) FROM studies_backupstate WHERE state = 'done'"
    open_ = "SELECT count(*) FROM studies_backupstate WHERE state <> 'done'"
    wait(
        lambda: number(cluster, done) >= len(files) and number(cluster, open_) == 0,
        300,
        "all are backed up",
        portal,
    )
    backed_up_after = time.monotonic() - began
    outbox = "SELECT count(*) FROM studies_documentchange"
    wait(lambda: number(cluster, outbox) == 0, 300, "all documents are delivered", portal)
    settled = time.monotonic() - began

    # Each image once in the index, the archive, the documents and the backup, with its own bytes.
    rows = sql(cluster, "SELECT sop_instance_uid, file_sha256, archive_key FROM studies_instance")
    assert len(rows) == len(files)
    assert {uid for uid, _, _ in rows} == wanted
    held = portal.orthanc_hashes()
    assert {uid: digest for uid, digest, _ in rows} == held
    keys = {f"pacs/{key}" for _, _, key in rows}
    assert sorted(objects(cluster)) == sorted(keys)
    for key in keys:
        data = cluster.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert hashlib.sha256(data).hexdigest() == key.rpartition("/")[2]
    with MongoClient(cluster.mongo.url()) as client:
        database = client.get_default_database()
        names = [each["_id"] for each in database["documents"].find({}, {"_id": 1})]
    assert sorted(name.rpartition("/")[2] for name in names) == sorted(held)
    copies = {path.name for path in (cluster.folder / "cloudinary").iterdir()}
    backed_up = [name for name in copies if "archive%2F1%2F" in name]
    assert len(backed_up) == len(files)
    words = cluster.stack.manage("verify_storage", "--no-heal", timeout=600)
    assert "0 bad in the archive, 0 bad in the backup, 0 healed, 0 not reachable, 0 lost" in words

    # No row is stuck, nobody waits, and what comes next is on every worklist at once.
    assert number(cluster, "SELECT count(*) FROM studies_quarantinedfile") == 0
    assert number(cluster, "SELECT count(*) FROM studies_study") == STUDIES
    servers = sql(cluster, "SELECT failures, last_error, remote_last - cursor"
                  " FROM studies_orthancserver")  # fmt: skip
    assert servers == [(0, "", 0)]
    arrival = "SELECT count(*) FROM studies_study WHERE arrival = 'receiving'"
    wait(lambda: number(cluster, arrival) == 0, 60, "all studies are quiet", portal)
    before = [listener.heard["study.received"] for listener in listeners]
    last = tmp_path / "last"
    last.mkdir()
    synth.ct_series(last, slices=1, size=64, seed=7, patient_name="Last^One", patient_id="LAST")
    cluster.stack.storescu(sorted(last.iterdir()))
    for listener, count in zip(listeners, before, strict=True):
        wait(
            lambda listener=listener, count=count: listener.heard["study.received"] > count,
            20,
            "the worklist hears of it",
            portal,
        )
        assert listener.hellos >= 2
        listener.stopping = True
    print(
        f"{len(files)} images, {killed.total()} kills, sent in {sent:.0f} s"
        f" ({load.repeated} repeated), indexed after {indexed:.0f} s, backed up after"
        f" {backed_up_after:.0f} s, settled after {settled:.0f} s,"
        f" sockets {[listener.hellos for listener in listeners]}"
    )
