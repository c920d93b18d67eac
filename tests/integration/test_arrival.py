"""From C-STORE to the portal, through the real Orthanc, and after every kind of accident."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.servers.orthanc import OrthancServer
from tests.servers.peer import FaultyProxy
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.integration


def same_bytes(portal: Portal, orthanc_files: dict[str, bytes]) -> bool:
    archived = portal.archived()
    return all(
        archived.get(uid) == hashlib.sha256(data).hexdigest() for uid, data in orthanc_files.items()
    )


def test_a_study_arrives_and_turns_quiet(portal: Portal, series) -> None:
    files, uid = series(20)
    portal.stack.storescu(files)
    portal.wait_count(uid, 20, 15)
    state = (
        "from studies.models import Study;"
        f" print(Study.objects.get(study_instance_uid='{uid}').arrival)"
    )
    wait(lambda: portal.stack.shell(state).strip() == "quiet", 20, "quiet", portal)


def test_the_other_site_sees_nothing(portal: Portal, series) -> None:
    files, uid = series(3)
    portal.stack.storescu(files)
    portal.wait_count(uid, 3)
    assert portal.count(uid, who="stranger") == 0
    assert portal.count(uid, who="referrer") == 0
    path = f"/dicom-web/studies/{uid}/metadata"
    assert portal.request("GET", path)[0] == 200
    assert portal.request("GET", path, who="stranger")[0] == 404
    assert portal.request("GET", path, who=None)[0] == 401


def test_orthanc_down_restarted_killed_and_wiped(portal: Portal, series, tmp_path: Path) -> None:
    hook = f"{portal.stack.base_url}/api/orthanc/webhook/"
    with OrthancServer(tmp_path / "second", hook_url=hook, slug="second") as orthanc:
        server = portal.connect("second", orthanc.url)
        first, uid = series(8)
        orthanc.storescu(first)
        portal.wait_count(uid, 8)
        orthanc.kill()
        time.sleep(1)
        orthanc.start()
        more, uid2 = series(8)
        orthanc.storescu(more)
        portal.wait_count(uid2, 8, 60)
        orthanc.wipe()
        again, uid3 = series(8)
        orthanc.storescu([*first, *again])
        portal.wait_count(uid3, 8, 60)
        assert portal.count(uid) == 8
        assert same_bytes(portal, orthanc.instance_files())
        # Wiped and filled beyond the cursor before we look again: its numbers alone tell nothing.
        portal.disconnect(server)
        time.sleep(6)
        orthanc.wipe()
        late, uid4 = series(30)
        orthanc.storescu(late)
        portal.connect_again(server)
        portal.wait_count(uid4, 30, 60)
        assert same_bytes(portal, orthanc.instance_files())
        portal.disconnect(server)


def test_what_an_orthanc_held_before_are_priors(portal: Portal, series, tmp_path: Path) -> None:
    with OrthancServer(tmp_path / "old", slug="old") as orthanc:
        files, uid = series(4)
        orthanc.storescu(files)
        server = portal.connect("old", orthanc.url, priors=True)
        portal.wait_count(uid, 4)
        new, uid2 = series(4)
        orthanc.storescu(new)
        portal.wait_count(uid2, 4)
        states = portal.stack.shell(
            "from studies.models import Study\n"
            "print(*[Study.objects.get(study_instance_uid=uid).reading_state"
            f" for uid in ('{uid}', '{uid2}')])"
        )
        assert states.split() == ["not_needed", "unread"]
        portal.disconnect(server)


def test_server_errors_cuts_and_slowness_lose_nothing(
    portal: Portal, series, tmp_path: Path
) -> None:
    with (
        OrthancServer(tmp_path / "faulty", slug="faulty") as orthanc,
        FaultyProxy(orthanc.http_port) as proxy,
    ):
        proxy.matches = lambda path: path.endswith("/file")
        proxy.fail_next = 3
        files, uid = series(12)
        orthanc.storescu(files)
        server = portal.connect("faulty", proxy.url)
        portal.wait_count(uid, 12, 60)
        proxy.cut_next = 2
        more, uid2 = series(12)
        orthanc.storescu(more)
        portal.wait_count(uid2, 12, 60)
        proxy.delay = 30.0
        slow, uid3 = series(2)
        orthanc.storescu(slow)
        # While this Orthanc takes 30 s an answer, another one's study arrives as ever.
        wait(lambda: any(p.endswith("/file") for p in proxy.paths[-2:]), 20, "asked", portal)
        quick, uid4 = series(5)
        portal.stack.storescu(quick)
        portal.wait_count(uid4, 5, 10)
        portal.wait_count(uid3, 2, 90)
        assert same_bytes(portal, orthanc.instance_files())
        portal.disconnect(server)


@pytest.mark.parametrize("victim", ["follow", "worker", "web", "orthanc"])
def test_kill_9_in_mid_transfer_loses_nothing(portal: Portal, series, victim: str) -> None:
    files, uid = series(60, size=256)
    sending = subprocess.Popen(
        [
            "dcmsend",
            "--decompress-never",
            "--no-halt",
            "--no-uid-checks",
            "127.0.0.1",
            str(portal.stack.dicom_port),
            *map(str, files),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait(lambda: sending.poll() is not None or portal.count(uid) > 0, 20, "first image", portal)
    old = portal.stack.kill(victim)
    sending.wait(120)
    portal.stack.wait_restarted(victim, old)
    portal.stack.wait_healthy(60)
    if victim == "orthanc":
        wait(lambda: _send_again(portal, files), 30, "orthanc takes images again", portal)
    portal.wait_count(uid, 60, 90)
    archived, held = portal.archived(), portal.orthanc_hashes()
    uids = [str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in files]
    assert len(uids) == 60
    assert [archived[uid] for uid in uids] == [held[uid] for uid in uids]


def _send_again(portal: Portal, files: list[Path]) -> bool:
    try:
        portal.stack.storescu(files)
    except AssertionError:
        return False
    return True


def test_broker_on_another_file_system(portal: Portal, series, tmp_path: Path) -> None:
    from tests.servers.stack import Stack

    broker = Path(tempfile.mkdtemp(prefix="lightbox-broker-", dir="/dev/shm"))
    assert broker.stat().st_dev != tmp_path.stat().st_dev
    try:
        with Stack(tmp_path / "stack", env={"PACS_BROKER_DIR": str(broker)}) as stack:
            files, uid = series(10)
            stack.storescu(files)
            own = Portal(stack)
            own.wait_count(uid, 10, 20)
    finally:
        shutil.rmtree(broker)


def test_2000_events_of_a_worker_leave_threads_and_descriptors_constant(portal: Portal) -> None:
    process = Path(f"/proc/{portal.stack.pid('worker')}")
    last = "from pacs.events.models import SiteEvent as E; print(E.objects.order_by('-id')[0].pk)"

    def publish(tasks: int, each: int) -> None:
        out = portal.stack.shell(
            "from pacs.accounts.models import Site\n"
            "from pacs.events.models import SiteEvent as E\n"
            "from tests.servers.documents.tasks import publish\n"
            "site = Site.objects.order_by('id').first().pk\n"
            "newest = E.objects.order_by('-id').first()\n"
            "print(newest.pk if newest else 0)\n"
            f"for _ in range({tasks}): publish.delay(site, {each})"
        )
        wanted = int(out) + tasks * each
        wait(lambda: int(portal.stack.shell(last)) >= wanted, 60, "all are published", portal)

    def held() -> tuple[int, int]:
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

    publish(20, 5)  # every thread of the worker has its connections
    time.sleep(2)
    threads, descriptors = held()
    publish(8, 250)

    def as_before() -> bool:
        threads_now, descriptors_now = held()
        return threads_now <= threads and descriptors_now <= descriptors

    wait(as_before, 10, f"{threads} threads, {descriptors} descriptors again", portal)
