"""Hostile files on the way that images take: a real Orthanc, its /changes, the follower.

What Orthanc itself refuses cannot come this way; by upload it does, in test_hostile_files.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from studies.dicom.errors import Reason
from tests.dicom.hostile import REFUSED, fresh, nested, written
from tests.servers.orthanc import OrthancServer
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.integration

PASSED_ON = {
    "deflate bomb of 1 GB": Reason.INFLATE_LIMIT,
    "65535 x 65535 x 999,999 frames": Reason.BAD_PIXELS,
    "truncated pixels": Reason.TRUNCATED_PIXELS,
    "UIDs that are no UIDs": Reason.BAD_UID,
}
KILLS_ORTHANC = {"nested 50 deep", "nested 1,500 deep"}
Pids = dict[str, int]


@pytest.fixture(scope="module")
def peer(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """An Orthanc of the first site."""
    folder = tmp_path_factory.mktemp("hostile-orthanc")
    hook = f"{portal.stack.base_url}/api/orthanc/webhook/"
    with OrthancServer(folder, hook_url=hook, slug="hostile") as orthanc:
        server = portal.connect("hostile", orthanc.url)
        yield orthanc
        portal.disconnect(server)


@pytest.fixture
def untouched(portal: Portal) -> Iterator[Pids]:
    """Nothing of the portal died meanwhile."""
    pids = {name: portal.stack.pid(name) for name in ("web", "worker", "follow")}
    yield pids
    assert pids == {name: portal.stack.pid(name) for name in pids}
    assert portal.stack.health()[0] == 200


def sent(orthanc: OrthancServer, folder: Path, datasets: list[Dataset]) -> None:
    """By C-STORE, on one association."""
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, dataset in enumerate(datasets):
            (folder / f"{number}.dcm").write_bytes(written(dataset))
    orthanc.storescu(sorted(folder.iterdir()))


def test_what_orthanc_passes_on_is_quarantined_and_does_not_stop_the_rest(
    portal: Portal,
    peer: OrthancServer,
    untouched: Pids,
    series: Callable[..., tuple[list[Path], str]],
) -> None:
    wanted = set()
    for case in REFUSED.keys() - KILLS_ORTHANC:
        status, body = peer.rest("POST", "/instances", REFUSED[case]())[:2]
        assert status == (200 if case in PASSED_ON else 400), (case, body[:200])
        if status == 200:
            held = peer.rest("GET", f"/instances/{json.loads(body)['ID']}/file")[1]
            wanted.add((str(PASSED_ON[case]), hashlib.sha256(held).hexdigest()))
    files, uid = series(3)
    peer.storescu(files)
    portal.wait_count(uid, 3)
    assert wanted <= {row[:2] for row in map(tuple, portal.quarantine())}


def test_hostile_text_is_only_text(
    portal: Portal, peer: OrthancServer, untouched: Pids, tmp_path: Path
) -> None:
    texts = [
        {"PatientName": "<img src=x onerror=alert(1)>"},
        {"PatientID": "../../../../tmp/evil-c-store"},
        {"StudyDescription": "x" * 5000},
        {"PatientName": "'; DROP TABLE studies_study; --"},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets = [fresh(**values) for values in texts]
    sent(peer, tmp_path / "texts", datasets)
    for dataset in datasets:
        portal.wait_count(dataset.StudyInstanceUID, 1)
    (found,) = portal.studies(StudyInstanceUID=datasets[1].StudyInstanceUID)
    assert found["00100020"]["Value"] == ["../../../../tmp/evil-c-store"]
    assert not Path("/tmp/evil-c-store").exists()


def test_duplicates_conflicts_and_other_patients(
    portal: Portal, peer: OrthancServer, untouched: Pids, tmp_path: Path
) -> None:
    """What another route has brought, and what says something else under its UID."""
    there = fresh()
    conflicting, other = dcmread(BytesIO(written(there))), dcmread(BytesIO(written(there)))
    conflicting.PixelData = np.zeros(there.Rows * there.Columns, "<u2").tobytes()
    other.PatientID = "SOMEBODY-ELSE"
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    assert portal.upload(written(there))[0] == 201
    conflict_of = fresh()
    assert portal.upload(written(conflict_of))[0] == 201
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(conflicting, keyword, getattr(conflict_of, keyword))
    conflicting.file_meta.MediaStorageSOPInstanceUID = conflict_of.SOPInstanceUID
    before = portal.archived()[str(there.SOPInstanceUID)]
    sent(peer, tmp_path / "again", [there, conflicting, other])
    studies = {str(there.StudyInstanceUID), str(conflict_of.StudyInstanceUID)}

    def reasons() -> set[str]:
        out = portal.stack.shell(
            "from studies.models import QuarantinedFile as Q\n"
            f"print(*Q.objects.filter(study_instance_uid__in={studies!r})"
            ".values_list('reason', flat=True))"
        )
        return set(out.split())

    wait(
        lambda: reasons() == {str(Reason.CONFLICT), str(Reason.OTHER_PATIENT)},
        20, "both in quarantine", portal,
    )  # fmt: skip
    assert portal.archived()[str(there.SOPInstanceUID)] == before
    for uid in studies:
        assert portal.count(uid) == 1


def test_the_same_uids_of_two_sites(portal: Portal, untouched: Pids, tmp_path: Path) -> None:
    """By C-STORE to an Orthanc of each site, whichever is first."""
    with OrthancServer(tmp_path / "north", slug="north") as theirs:
        server = portal.connect("north", theirs.url, site="north")
        pairs = []
        for number in range(2):
            ours = fresh(PatientID="P-OURS")
            other = dcmread(BytesIO(written(ours)))
            other.PatientID = "P-THEIRS"
            other.PixelData = np.full(ours.Rows * ours.Columns, 7, "<u2").tobytes()
            pairs.append((ours, other))
            uid = str(ours.StudyInstanceUID)
            steps = [
                (portal.stack.storescu, ours, "radiologist"),
                (theirs.storescu, other, "stranger"),
            ]
            for send, dataset, who in steps if number == 0 else reversed(steps):
                path = tmp_path / f"{number}-{who}.dcm"
                path.write_bytes(written(dataset))
                send([path])
                portal.wait_count(uid, 1, who=who)
        portal.disconnect(server)
    for ours, other in pairs:
        frame = (
            f"/dicom-web/studies/{ours.StudyInstanceUID}/series/{ours.SeriesInstanceUID}"
            f"/instances/{ours.SOPInstanceUID}/frames/1"
        )
        for who, dataset in (("radiologist", ours), ("stranger", other)):
            (found,) = portal.studies(who=who, StudyInstanceUID=ours.StudyInstanceUID)
            assert found["00100020"]["Value"] == [dataset.PatientID]
            assert found["00201208"]["Value"] == [1]
            assert dataset.PixelData in portal.request("GET", frame, who=who)[1]
    uids = {str(ours.StudyInstanceUID) for ours, _ in pairs}
    out = portal.stack.shell(
        "from studies.models import QuarantinedFile as Q\n"
        f"print(Q.objects.filter(study_instance_uid__in={uids!r}).count())"
    )
    assert out.strip() == "0"


def test_pixels_that_would_fill_the_memory(
    portal: Portal, peer: OrthancServer, untouched: Pids, tmp_path: Path
) -> None:
    """A header that makes a few kilobytes of RLE a gigabyte: no picture, and nothing dies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bomb = fresh("MR_small_RLE.dcm", Rows=16000, Columns=16000)
    bomb.BitsAllocated = bomb.BitsStored = 32
    bomb.HighBit = 31
    good = fresh()
    sent(peer, tmp_path / "pixels", [bomb, good])
    for dataset in (bomb, good):
        portal.wait_count(dataset.StudyInstanceUID, 1)
    for what in ("rendered", "thumbnail"):
        status, words, _ = portal.request("GET", f"{path_of(bomb)}/{what}")
        assert (status, words.strip()) == (
            406,
            b"No picture can be made: the image is larger than can be decoded.",
        )
        assert portal.request("GET", f"{path_of(good)}/{what}")[0] == 200


def test_a_decoder_that_is_killed_is_replaced(
    portal: Portal, peer: OrthancServer, untouched: Pids, tmp_path: Path
) -> None:
    datasets = [fresh() for _ in range(3)]
    sent(peer, tmp_path / "decoded", datasets)
    for dataset in datasets:
        portal.wait_count(dataset.StudyInstanceUID, 1)
        assert portal.request("GET", f"{path_of(dataset)}/rendered")[0] == 200
        decoders = children_of(portal.stack.pid("web"))
        assert decoders
        for pid in decoders:
            os.kill(pid, signal.SIGKILL)


def path_of(dataset: Dataset) -> str:
    return (
        f"/dicom-web/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def children_of(pid: int) -> list[int]:
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
    return [int(s.split()[0]) for s in stats if int(s.rpartition(")")[2].split()[1]) == pid]


def test_a_file_that_kills_orthanc_does_not_hurt_the_portal(
    portal: Portal,
    peer: OrthancServer,
    untouched: Pids,
    series: Callable[..., tuple[list[Path], str]],
) -> None:
    for depth in (50, 1500):
        with contextlib.suppress(OSError):
            peer.rest("POST", "/instances", nested(depth), timeout=20)
        wait(lambda: not peer.child.running, 20, "Orthanc died of it")
        peer.kill()
        peer.start()
    files, uid = series(3)
    peer.storescu(files)
    portal.wait_count(uid, 3, 60)
