"""Sending to real peers: dcmtk's storescp behind a real Orthanc, and Orthanc's own STOW-RS."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from django.db import connection, connections
from django.utils import timezone
from pydicom import dcmread

from pacs.audit.models import AuditEvent
from pacs.events.models import SiteEvent
from studies import archive, models
from studies.corrections.services import Why, correct_facts
from studies.models import Destination, Instance, Send, Series, Study
from studies.sending import deliver as sending
from studies.sending import requests
from studies.sending.lease import Lease, busy
from studies.sending.models import Kind, SendItem, State
from studies.services import ingest
from tests.servers.child import ChildServer, require
from tests.servers.orthanc import SEND_ENVIRONMENT, OrthancServer
from tests.servers.peer import FaultyProxy
from tests.servers.ports import free_port, listens, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]
PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


class StoreScp:
    """dcmtk's storescp, which writes what it receives into a folder."""

    aet = "PEER"

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder / "received"
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.options = options
        self.child = ChildServer(folder / "storescp.log")

    def start(self) -> None:
        command = [require("storescp"), *self.options, "-od", str(self.folder), "-aet", self.aet]
        self.child.launch([*command, str(self.port)], env={**os.environ, **SEND_ENVIRONMENT})
        wait_until(lambda: listens(self.port), 30, "storescp listens")

    def stop(self) -> None:
        self.child.end(9)

    def uids(self) -> list[str]:
        """SOPInstanceUIDs of the files that are whole."""
        found = []
        for path in self.folder.iterdir():
            found.append(str(dcmread(path).SOPInstanceUID))
        return sorted(found)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """The site's Orthanc."""
    with OrthancServer(tmp_path_factory.mktemp("site-orthanc")) as server:
        yield server


@pytest.fixture(scope="module")
def stow_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """Somebody else's Orthanc with its DICOMweb plugin."""
    with OrthancServer(tmp_path_factory.mktemp("stow-orthanc")) as server:
        yield server


@pytest.fixture
def scp(tmp_path: Path) -> Iterator[StoreScp]:
    server = StoreScp(tmp_path / "scp")
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SEND_READ_TIMEOUT = 5
    settings.CELERY_TASK_ALWAYS_EAGER = False
    monkeypatch.setattr(sending, "FIRST_PAUSE", 0.2)
    monkeypatch.setattr("studies.tasks.deliver.delay", lambda _pk: None)


@pytest.fixture
def stored(site: Any, series: Callable[..., Any]) -> Callable[..., Study]:
    """`stored(slices)`: a study in the archive."""

    def make(slices: int, **options: Any) -> Study:
        files, uid = series(slices, **options)
        for path in files:
            with path.open("rb") as file:
                ingest.store(file, source="test", site=site)
        return Study.objects.get(study_instance_uid=uid)

    return make


@pytest.fixture
def server(site: Any, orthanc: OrthancServer) -> Any:
    return orthanc_row(site, orthanc.url)


def orthanc_row(site: Any, url: str) -> Any:
    return models.OrthancServer.objects.create(
        site=site,
        slug="main",
        name="Main",
        base_url=url,
        username=OrthancServer.user,
        password=OrthancServer.password,
    )


def node(site: Any, server: Any, scp: StoreScp, **fields: Any) -> Destination:
    return Destination.objects.create(
        site=site,
        name=f"Node {scp.port}",
        kind=Kind.DICOM,
        orthanc_server=server,
        ae_title=scp.aet,
        host="127.0.0.1",
        port=scp.port,
        **fields,
    )


def web(site: Any, url: str, name: str = "Web", **fields: Any) -> Destination:
    login = f"{OrthancServer.user}:{OrthancServer.password}".encode()
    fields.setdefault("authorization", f"Basic {base64.b64encode(login).decode()}")
    return Destination.objects.create(
        site=site, name=name, kind=Kind.DICOMWEB, url=f"{url}/dicom-web", **fields
    )


def ask(study: Study, destination: Destination, user: Any, series: Any = None) -> Send:
    return requests.request_send(study, series, destination, actor=user)[0]


def drive(send: Send, seconds: float = 60) -> Send:
    """What worker and sweep do, until the send is over."""
    deadline = time.monotonic() + seconds
    while send.is_open:
        assert time.monotonic() < deadline, (send.state, send.done, send.last_error)
        for destination_id in sending.waiting():
            sending.deliver(destination_id)
        time.sleep(0.05)
        send.refresh_from_db()
    return send


def uids(study: Study, **where: Any) -> list[str]:
    found = Instance.objects.filter(series__study=study, **where)
    return sorted(found.values_list("sop_instance_uid", flat=True))


# DICOM node


def test_study_to_a_node(
    site: Any, server: Any, scp: StoreScp, orthanc: OrthancServer, stored: Any, technician: Any
) -> None:
    """25 images, none of which Orthanc has: two batches, every pixel arrives."""
    study = stored(25)
    send = drive(ask(study, node(site, server, scp), technician))
    assert (send.state, send.total, send.done, send.refused) == (State.DONE, 25, 25, 0)
    assert scp.uids() == uids(study)
    for instance in Instance.objects.all():
        original = dcmread(archive.local_path(instance.archive_key))
        arrived = dcmread(next(scp.folder.glob(f"*{instance.sop_instance_uid}")))
        assert arrived.PixelData == original.PixelData
        assert arrived.PatientID == original.PatientID
    event = AuditEvent.objects.get(action="study.sent")
    assert (event.study_id, event.actor_name) == (study.pk, "technician")
    assert (event.detail["images"], event.detail["of"]) == (25, 25)
    # claimed, two batches, done; and the request itself
    assert SiteEvent.objects.filter(type="delivery.changed").count() == 5
    entry = orthanc.json("/modalities?expand")[f"zz-lightbox-{send.destination_id}"]
    assert not any(entry[f"Allow{what}"] for what in ("Echo", "Find", "Get", "Move", "Store"))


def test_one_series(site: Any, server: Any, scp: StoreScp, stored: Any, technician: Any) -> None:
    study = stored(3)
    dataset = dcmread(archive.local_path(Instance.objects.first().archive_key))
    dataset.SeriesInstanceUID += ".9"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.4711"
    buffer = BytesIO()
    dataset.save_as(buffer)
    buffer.seek(0)
    ingest.store(buffer, source="test", site=site)
    other = Series.objects.get(series_instance_uid__endswith=".9")
    drive(ask(study, node(site, server, scp), technician, other))
    assert scp.uids() == ["2.25.4711"]


def test_what_orthanc_holds_otherwise_passes_through(
    site: Any, server: Any, scp: StoreScp, orthanc: OrthancServer, stored: Any, technician: Any
) -> None:
    """Orthanc has the UID with another name in it: the portal's own bytes go out, and Orthanc's
    copy stays as it is."""
    study = stored(2)
    instance = Instance.objects.order_by("id").first()
    dataset = dcmread(archive.local_path(instance.archive_key))
    dataset.PatientName = "OTHER^Name"
    buffer = BytesIO()
    dataset.save_as(buffer)
    status, _ = orthanc.rest("POST", "/instances", buffer.getvalue())
    assert status == 200
    held = orthanc.count_instances()
    drive(ask(study, node(site, server, scp), technician))
    names = {str(dcmread(path).PatientName) for path in scp.folder.iterdir()}
    assert names == {study.patient_name}
    assert orthanc.count_instances() == held + 1


def test_corrections_go_out_and_stay_out_of_orthanc(
    site: Any, server: Any, scp: StoreScp, orthanc: OrthancServer, stored: Any, technician: Any
) -> None:
    study = stored(3)
    said = {"PatientName": "RIGHT^Robin", "PatientID": "CORRECTED"}
    correct_facts(study.pk, 0, said, Why(technician, "typing"))
    study.refresh_from_db()
    held = orthanc.count_instances()
    drive(ask(study, node(site, server, scp), technician))
    arrived = [dcmread(path) for path in scp.folder.iterdir()]
    assert len(arrived) == 3
    assert {str(one.PatientID) for one in arrived} == {"CORRECTED"}
    assert {str(one.PatientName) for one in arrived} == {"RIGHT^Robin"}
    assert {len(one.OriginalAttributesSequence) for one in arrived} == {1}
    assert orthanc.count_instances() == held


def test_orthanc_has_the_corrected_patient_and_study(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    study = stored(2)
    said = {"PatientName": "MÜLLER^Jürgen", "PatientID": "RIGHT-7", "AccessionNumber": "ACC-7"}
    correct_facts(study.pk, 0, said, Why(technician, "typing"))
    send = drive(ask(study, web(site, stow_peer.url), technician))
    assert (send.state, send.done) == (State.DONE, 2)
    files = stow_peer.instance_files()
    held = [dcmread(BytesIO(files[uid])) for uid in uids(study)]
    for dataset in held:
        assert (dataset.PatientID, dataset.AccessionNumber) == ("RIGHT-7", "ACC-7")
        assert str(dataset.PatientName) == "MÜLLER^Jürgen"


def test_compressed_images_and_a_node_that_takes_none(
    site: Any, server: Any, tmp_path: Path, technician: Any
) -> None:
    """Orthanc converts what it can; the rest is named, and does not stop the others."""
    names = ["MR_small_jpeg_ls_lossless.dcm", "JPEG2000.dcm", "CT_small.dcm"]
    for name in names:
        with (PYDICOM_FILES / name).open("rb") as file:
            assert ingest.store(file, source="test", site=site).outcome == "stored"
    scp = StoreScp(tmp_path / "implicit", "+xi")
    scp.start()
    try:
        destination = node(site, server, scp)
        sends = [ask(study, destination, technician) for study in Study.objects.order_by("id")]
        states = [drive(send).state for send in sends]
    finally:
        scp.stop()
    assert states == [State.DONE, State.FAILED, State.DONE]
    assert (sends[1].refused, sends[1].last_error) == (
        1,
        "1 image was not taken. The node does not take the way this image is compressed.",
    )
    assert len(scp.uids()) == 2
    failed = AuditEvent.objects.get(action="send.failed")
    assert failed.outcome == "failed"


def test_node_down_then_up(
    site: Any, server: Any, scp: StoreScp, stored: Any, technician: Any
) -> None:
    scp.stop()
    study = stored(3)
    destination = node(site, server, scp)
    send = ask(study, destination, technician)
    sending.deliver(destination.pk)
    send.refresh_from_db()
    assert (send.state, send.attempts) == (State.QUEUED, 1)
    assert send.last_error == "The node cannot be reached."
    assert send.next_attempt_at > send.created_at
    destination.refresh_from_db()
    assert (destination.failures, destination.lease_until) == (1, None)
    scp.start()
    drive(send)
    assert (send.state, send.attempts, send.last_error) == (State.DONE, 0, "")
    assert scp.uids() == uids(study)
    destination.refresh_from_db()
    assert (destination.failures, destination.last_error) == (0, "")


def test_node_killed_in_the_middle(
    site: Any, server: Any, scp: StoreScp, stored: Any, technician: Any
) -> None:
    """Every image arrives, and those that were acknowledged in a batch are not sent again."""
    study = stored(60)
    destination = node(site, server, scp)
    send = ask(study, destination, technician)

    def kill() -> None:
        deadline = time.monotonic() + 30
        while len(list(scp.folder.iterdir())) < 25 and time.monotonic() < deadline:
            time.sleep(0.001)
        scp.stop()

    killer = threading.Thread(target=kill)
    killer.start()
    sending.deliver(destination.pk)
    killer.join()
    send.refresh_from_db()
    assert send.state == State.QUEUED
    assert 20 <= send.done < 60
    before = {path.name: path.stat().st_mtime_ns for path in scp.folder.iterdir()}
    acknowledged = set(
        send.items.filter(state="sent").values_list("instance__sop_instance_uid", flat=True)
    )
    scp.start()
    drive(send)
    assert (send.state, send.done) == (State.DONE, 60)
    assert scp.uids() == uids(study)
    for name, moment in before.items():
        if name.removeprefix("CT.") in acknowledged:
            assert (scp.folder / name).stat().st_mtime_ns == moment, "sent twice"


def test_a_node_that_refuses_the_association(
    site: Any, server: Any, tmp_path: Path, stored: Any, technician: Any
) -> None:
    scp = StoreScp(tmp_path / "refusing", "--refuse")
    scp.start()
    try:
        send = ask(stored(1), node(site, server, scp), technician)
        sending.deliver(send.destination_id)
    finally:
        scp.stop()
    send.refresh_from_db()
    assert "may not know our AE title" in send.last_error
    assert send.state == State.QUEUED


def test_orthanc_down(site: Any, scp: StoreScp, stored: Any, technician: Any) -> None:
    server = orthanc_row(site, f"http://127.0.0.1:{free_port()}")
    send = ask(stored(1), node(site, server, scp), technician)
    sending.deliver(send.destination_id)
    send.refresh_from_db()
    assert (send.state, send.last_error) == (
        State.QUEUED,
        "The site's Orthanc cannot be reached.",
    )


# DICOMweb server


def test_study_to_a_dicomweb_server(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    study = stored(25)
    send = drive(ask(study, web(site, stow_peer.url), technician))
    assert (send.state, send.done) == (State.DONE, 25)
    held = stow_peer.instance_files()
    for instance in Instance.objects.all():
        digest = hashlib.sha256(held[instance.sop_instance_uid]).hexdigest()
        assert digest == instance.file_sha256


def test_the_same_again_is_no_error(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    study = stored(2)
    destination = web(site, stow_peer.url)
    first, second = (drive(ask(study, destination, technician)) for _ in range(2))
    assert first.pk != second.pk
    assert (first.state, second.state, second.done) == (State.DONE, State.DONE, 2)


def test_wrong_login_waits_and_goes_on_when_corrected(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    destination = web(site, stow_peer.url, authorization="Bearer wrong")
    send = ask(stored(2), destination, technician)
    sending.deliver(destination.pk)
    send.refresh_from_db()
    assert (send.state, send.last_error) == (
        State.QUEUED,
        "The server refuses the portal's login.",
    )
    Destination.objects.update(authorization=web(site, stow_peer.url, "x").authorization)
    assert drive(send).state == State.DONE


def test_no_service_at_the_address(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    send = drive(ask(stored(1), web(site, f"{stow_peer.url}/nowhere"), technician))
    assert send.state == State.FAILED
    assert send.last_error == "There is no service for storing images at the server's address."


def test_server_fails_in_the_middle(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    """The second batch is answered 503, a later answer is lost: all arrive, in the end once."""
    study = stored(45)
    with FaultyProxy(stow_peer.http_port) as proxy:
        destination = web(site, proxy.url)
        send = ask(study, destination, technician)
        calls = iter(range(100))
        proxy.matches = lambda _path: next(calls) == 1
        proxy.fail_next = 1
        sending.deliver(destination.pk)
        send.refresh_from_db()
        assert (send.state, send.done) == (State.QUEUED, 20)
        assert send.last_error == "The server cannot take images now (HTTP 503)."
        proxy.matches = lambda _path: True
        proxy.cut_next, proxy.cut_after = 1, 10
        drive(send)
    assert (send.state, send.done, send.refused) == (State.DONE, 45, 0)
    assert set(uids(study)) <= set(stow_peer.instance_files())


def test_server_killed_and_back(site: Any, tmp_path: Path, stored: Any, technician: Any) -> None:
    study = stored(60, size=256)
    with OrthancServer(tmp_path / "mortal") as peer:
        destination = web(site, peer.url)
        send = ask(study, destination, technician)
        worker = threading.Thread(target=_deliver_in_thread, args=(destination.pk,))
        worker.start()
        wait_until(lambda: peer.count_instances() > 20, 30, "some arrive")
        peer.kill()
        worker.join()
        send.refresh_from_db()
        assert send.state == State.QUEUED
        peer.start()
        drive(send)
        assert (send.state, send.done) == (State.DONE, 60)
        assert sorted(peer.instance_files()) == uids(study)


def _deliver_in_thread(pk: int) -> None:
    try:
        sending.deliver(pk)
    finally:
        connections.close_all()


def test_a_server_that_hangs_holds_nobody_else(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any, settings: Any
) -> None:
    """Three hanging destinations and a good one: the good one is served while they hang."""
    settings.SEND_READ_TIMEOUT = 3
    study = stored(3)
    with FaultyProxy(stow_peer.http_port) as proxy:
        proxy.delay = 30
        hanging = [web(site, proxy.url, name=f"Hanging {n}") for n in range(3)]
        Destination.objects.update(failures=1)
        good = web(site, stow_peer.url, name="Good")
        for destination in hanging:
            ask(study, destination, technician)
        send = ask(study, good, technician)
        threads = [
            threading.Thread(target=_deliver_in_thread, args=(destination.pk,))
            for destination in hanging
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: busy().count() == 1, 5, "one of them is at work")
        started = time.monotonic()
        drive_only(good, send)
        assert time.monotonic() - started < 2.5
        proxy.delay = 0
        for thread in threads:
            thread.join()


def drive_only(destination: Destination, send: Send) -> None:
    sending.deliver(destination.pk)
    send.refresh_from_db()
    assert send.state == State.DONE


def test_a_server_that_moved_is_not_followed(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    with FaultyProxy(stow_peer.http_port) as proxy:
        proxy.fail_next, proxy.status = 5, 307
        send = drive(ask(stored(1), web(site, proxy.url), technician))
        assert len(proxy.paths) == 1
    assert send.state == State.FAILED
    assert "moved" in send.last_error


# The rows


def test_images_that_come_meanwhile_are_sent_too(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any, monkeypatch: Any
) -> None:
    study = stored(2)
    send = ask(study, web(site, stow_peer.url), technician)
    late = dcmread(archive.local_path(Instance.objects.first().archive_key))
    late.SOPInstanceUID = late.file_meta.MediaStorageSOPInstanceUID = "2.25.815"
    buffer = BytesIO()
    late.save_as(buffer)
    plain = sending._send_batch

    def and_one_more(*arguments: Any) -> None:
        plain(*arguments)
        buffer.seek(0)
        ingest.store(buffer, source="test", site=site)

    monkeypatch.setattr(sending, "_send_batch", and_one_more)
    drive(send)
    assert (send.done, send.total) == (3, 3)
    assert "2.25.815" in stow_peer.instance_files()


def test_cancel_stops_a_running_send(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    study = stored(25)
    with FaultyProxy(stow_peer.http_port) as proxy:
        proxy.delay = 20
        send = ask(study, web(site, proxy.url), technician)
        worker = threading.Thread(target=_deliver_in_thread, args=(send.destination_id,))
        worker.start()
        wait_until(lambda: proxy.paths, 10, "it is under way")
        requests.cancel(send, actor=technician)
        started = time.monotonic()
        worker.join()
        assert time.monotonic() - started < 3
        proxy.delay = 0
    send.refresh_from_db()
    assert (send.state, send.done) == (State.CANCELLED, 0)


def test_workers_race_for_one_send(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    """Eight workers at once: one gets it, and each image is counted and posted once."""
    study = stored(30)
    with FaultyProxy(stow_peer.http_port) as proxy:
        destination = web(site, proxy.url)
        send = ask(study, destination, technician)
        gate = threading.Barrier(8)

        def work() -> None:
            gate.wait()
            _deliver_in_thread(destination.pk)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(proxy.paths) == 2
    send.refresh_from_db()
    assert (send.state, send.done, send.total) == (State.DONE, 30, 30)
    assert SendItem.objects.count() == 30


def test_people_race_for_one_send(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    study, destination = stored(1), web(site, stow_peer.url)
    found: list[tuple[int, bool]] = []
    gate = threading.Barrier(8)

    def person() -> None:
        try:
            gate.wait()
            send, is_new = requests.request_send(study, None, destination, actor=technician)
            found.append((send.pk, is_new))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=person) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({pk for pk, _ in found}) == 1
    assert [is_new for _, is_new in found].count(True) == 1
    assert AuditEvent.objects.filter(action="send.requested").count() == 1


def test_whoever_lost_the_lease_writes_nothing(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    send = ask(stored(2), web(site, stow_peer.url), technician)
    old = Lease.acquire(send.destination_id)
    assert old is not None
    assert sending.claim(old) is not None
    assert Lease.acquire(send.destination_id) is None
    Destination.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    new = Lease.acquire(send.destination_id)
    assert new is not None
    assert new.token > old.token
    assert sending.claim(new).pk == send.pk
    sending.take_stock(send)
    item = send.items.first()
    result = sending.Result(item.pk, SendItem.State.SENT)
    with pytest.raises(sending.ClaimLost):
        sending._write(send, old, [result])
    with pytest.raises(sending.ClaimLost):
        old.update()
    assert send.items.filter(state="sent").count() == 0
    sending._write(send, new, [result])
    sending._write(send, new, [result])
    send.refresh_from_db()
    assert send.done == 1


def test_given_up_after_a_day(site: Any, stored: Any, technician: Any) -> None:
    destination = web(site, f"http://127.0.0.1:{free_port()}")
    send = ask(stored(1), destination, technician)
    sending.deliver(destination.pk)
    sending.give_up()
    send.refresh_from_db()
    assert send.state == State.QUEUED
    Send.objects.update(give_up_at=timezone.now() - timedelta(seconds=1))
    sending.give_up()
    send.refresh_from_db()
    assert send.state == State.FAILED
    assert send.last_error == "Given up after a day. The server cannot be reached."
    requests.retry(send, actor=technician)
    assert send.state == State.QUEUED


def test_stat_goes_first(site: Any, stow_peer: OrthancServer, stored: Any, technician: Any) -> None:
    routine, stat = stored(1), stored(1)
    Study.objects.filter(pk=stat.pk).update(priority=0)
    destination = web(site, stow_peer.url)
    sends = [ask(study, destination, technician) for study in (routine, stat)]
    lease = Lease.acquire(destination.pk)
    assert lease is not None
    assert sending.claim(lease).pk == sends[1].pk


def test_a_lost_file_fails_in_words(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any
) -> None:
    study = stored(1)
    path = archive.local_path(Instance.objects.get().archive_key)
    moved = path.with_suffix(".moved")
    shutil.move(path, moved)
    try:
        send = drive(ask(study, web(site, stow_peer.url), technician))
    finally:
        shutil.move(moved, path)
    assert (send.state, send.last_error) == (State.FAILED, "An image is missing in the archive.")


def test_no_network_inside_a_transaction(
    site: Any, stow_peer: OrthancServer, stored: Any, technician: Any, monkeypatch: Any
) -> None:
    open_ones: list[bool] = []
    plain = sending._send_batch

    def look(*arguments: Any) -> None:
        open_ones.append(connection.in_atomic_block)
        plain(*arguments)

    monkeypatch.setattr(sending, "_send_batch", look)
    drive(ask(stored(1), web(site, stow_peer.url), technician))
    assert open_ones == [False]
