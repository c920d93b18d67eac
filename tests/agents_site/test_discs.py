"""Discs by the real agent and the real xorriso, read back with dcmtk and pydicom."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom import dcmread
from pydicom.fileset import FileSet

from agents import protocol
from agents.site.disc import viewer
from studies.demo import synth
from tests.agents_site.disc_portal import DiscPortal
from tests.agents_site.running import RunningAgent
from tests.servers.orthanc import require
from tests.servers.ports import wait_until

REAL = Path(pydicom.__file__).parent / "data" / "test_files"
# RLE, JPEG 2000, JPEG Extended, Big Endian, deflated, SR, RT objects: as hospitals send.
ODD = (
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "JPGExtended.dcm",
    "ExplVR_BigEnd.dcm",
    "image_dfl.dcm",
    "reportsi.dcm",
    "test-SR.dcm",
    "rtplan.dcm",
    "waveform_ecg.dcm",
    "rtdose.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
)


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    files = synth.ct_series(
        tmp_path_factory.mktemp("ct"), slices=4, size=64, seed=77, patient_name="Müller^Jürgen"
    )
    return [Path(file).read_bytes() for file in files]


@pytest.fixture(scope="module")
def odd() -> list[bytes]:
    return [(REAL / name).read_bytes() for name in ODD]


@pytest.fixture(scope="module")
def viewer_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewer")
    (folder / "lib").mkdir()
    (folder / "Start Viewer.exe").write_bytes(b"MZ no real one")
    (folder / "lib" / "a-rather-long-name-of-a-library.jar").write_bytes(b"x" * 5000)
    return folder


def drives(folder: Path, viewer_dir: Path | None = None) -> str:
    (folder / "images").mkdir(exist_ok=True)
    (folder / "dirty.img").write_bytes(b"")
    named = {
        "burner": f'device = "stdio:{folder}/burner.img"',
        "second": f'device = "stdio:{folder}/second.img"',
        "images": f'folder = "{folder}/images"',
        "gone": 'device = "/dev/no-such-drive"',
        "gone-folder": f'folder = "{folder}/no-such-folder"',
        "full": 'device = "stdio:/dev/full"',
        "dirty": f'device = "stdio:{folder}/dirty.img"',
        "small": f'device = "stdio:{folder}/small.img"\ncapacity_mb = 1',
    }
    text = '[disc]\ninstitution = "Main Hospital, Radiology"\nwork_mb = 60\n'
    if viewer_dir is not None:
        text += f'viewer_dir = "{viewer_dir}"\nviewer_sha256 = "{viewer.digest_of(viewer_dir)}"\n'
    return text + "".join(f'[[drives]]\nname = "{name}"\n{each}\n' for name, each in named.items())


@pytest.fixture(scope="module")
def portal() -> Iterator[DiscPortal]:
    with DiscPortal() as made:
        yield made


@pytest.fixture(scope="module")
def agent(
    tmp_path_factory: pytest.TempPathFactory, portal: DiscPortal, viewer_dir: Path
) -> Iterator[RunningAgent]:
    folder = tmp_path_factory.mktemp("agent")
    sections = drives(folder, viewer_dir)
    with RunningAgent(folder, portal.url, key="lba_its-key", sections=sections) as made:
        portal.wait_registered()
        yield made


@pytest.fixture(autouse=True)
def _honest(portal: DiscPortal, slices: list[bytes]) -> Iterator[None]:
    portal.images, portal.spoil, portal.status = slices, set(), 0
    portal.gate.set()
    yield
    portal.gate.set()


def left(agent: RunningAgent) -> list[str]:
    """What the work folder still holds."""
    folder = agent.state_dir / "discs"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def extracted(image: Path, to: Path) -> Path:
    """The files of an image, as any computer would see them."""
    subprocess.run(
        [
            *(require("xorriso"), "-osirrox", "on", "-indev", f"stdio:{image}"),
            *("-extract", "/", str(to)),
        ],
        check=True,
        capture_output=True,
    )
    subprocess.run(["chmod", "-R", "u+w", str(to)], check=True)
    return to


def digests(files: list[bytes]) -> list[str]:
    return sorted(hashlib.sha256(each).hexdigest() for each in files)


@contextlib.contextmanager
def directory(root: Path) -> Iterator[FileSet]:
    """DICOMDIR as pydicom reads it."""
    found = FileSet(root / "DICOMDIR")
    try:
        yield found
    finally:
        found._stage["t"].cleanup()


def on_disc(root: Path) -> list[str]:
    return digests([path.read_bytes() for path in root.glob("PT*/ST*/SE*/*")])


def test_burned_and_read_by_others(
    agent: RunningAgent, portal: DiscPortal, slices: list[bytes], tmp_path: Path
) -> None:
    command = portal.burn("burner", requester="ann")
    result = portal.result(command, 60)
    assert result.outcome == "done", result
    assert portal.words(command) == [
        "fetching images",
        "building the disc",
        "writing",
        "verifying",
    ]
    assert portal.keys == {"Bearer lba_its-key"}
    assert {asked[0] for asked in portal.asked} == {command.id}
    assert result.data["profile"] == "STD-GEN-CD"
    assert (result.data["images"], result.data["studies"], result.data["note"]) == (4, 1, "")
    root = extracted(agent.folder / "burner.img", tmp_path / "disc")
    # PS3.10 8.2: at most eight characters of a small alphabet, in at most eight levels.
    assert {path.name for path in root.iterdir()} == {
        "DICOMDIR",
        "README.TXT",
        "VIEWER",
        "PT000000",
    }
    assert on_disc(root) == digests(slices)
    with directory(root) as listed:
        uids = {str(dcmread(Path(each.path)).SOPInstanceUID) for each in listed}
        assert len(uids) == len(listed) == 4
        assert listed.find_values("PatientName") == ["Müller^Jürgen"]
    text = (root / "README.TXT").read_bytes().decode("utf-8-sig")
    assert "Main Hospital, Radiology" in text
    assert "Müller Jürgen" in text
    assert "4 images" in text
    assert text.count("\n") == text.count("\r\n")
    # dcmtk reads the directory, and by its own rules for the profile could have made it.
    dump = subprocess.run(
        [require("dcmdump"), "+P", "0004,1500", str(root / "DICOMDIR")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert dump.count("PT000000\\ST000000\\SE000000\\IM") == 4
    (root / "DICOMDIR").unlink()
    made = subprocess.run(
        [
            *(require("dcmmkdir"), "--general-purpose", "+r", "+id", str(root)),
            *("+D", "DICOMDIR", "PT000000"),
        ],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert (made.returncode, made.stderr) == (0, "")
    with directory(root) as listed:
        assert len(listed) == 4
    assert left(agent) == []
    begun = [each for each in agent.audit() if each["action"] == "command.begun"]
    assert begun[-1]["requester"] == "ann"


def test_an_image_of_what_hospitals_send(
    agent: RunningAgent, portal: DiscPortal, odd: list[bytes], viewer_dir: Path, tmp_path: Path
) -> None:
    """Kept byte for byte, whatever transfer syntax; what no profile covers is said."""
    portal.images = odd
    result = portal.result(portal.burn("images"), 60)
    assert result.outcome == "done", result
    assert result.data["profile"] == ""
    assert "JPEG 2000" in result.data["note"]
    image = agent.folder / "images" / result.data["file"]
    assert hashlib.sha256(image.read_bytes()).hexdigest() == result.data["sha256"]
    root = extracted(image, tmp_path / "disc")
    assert on_disc(root) == digests(odd)
    with directory(root) as listed:
        assert len(listed) == len(odd)
        for each in listed:
            header = dcmread(each.path, stop_before_pixels=True)
            assert header.SOPInstanceUID == each.SOPInstanceUID
    kinds = subprocess.run(
        [require("dcmdump"), "+P", "0004,1430", str(root / "DICOMDIR")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for kind in ("IMAGE", "SR DOCUMENT", "RT PLAN", "RT DOSE", "WAVEFORM"):
        assert f"[{kind}]" in kinds
    assert "No DICOM profile for discs" in (root / "README.TXT").read_text("utf-8-sig")
    assert viewer.digest_of(root / "VIEWER") == viewer.digest_of(viewer_dir)
    assert left(agent) == []


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/dev/sda", "not-allowed"),
        ("stdio:/etc/cron.d/x", "not-allowed"),
        ("../burner", "not-allowed"),
        ("", "not-allowed"),
        ("gone", "no-drive"),
        ("gone-folder", "no-drive"),
        ("dirty", "not-blank"),
        ("full", "burn"),
    ],
)
def test_what_is_no_drive_to_write_to(
    agent: RunningAgent, portal: DiscPortal, target: str, code: str
) -> None:
    if target == "dirty":
        shutil.copyfile(agent.folder / "burner.img", agent.folder / "dirty.img")
    before = (agent.folder / "dirty.img").read_bytes()
    command = portal.burn(target, requester="mallory")
    result = portal.result(command, 60)
    assert (result.outcome, result.code) == ("failed", code), result
    assert result.message
    assert left(agent) == []
    assert (agent.folder / "dirty.img").read_bytes() == before
    if code == "not-allowed":
        refused = [each for each in agent.audit() if each["action"] == "disc.refused"]
        assert (refused[-1]["requester"], refused[-1]["detail"]["target"]) == ("mallory", target)
        assert command.id not in {asked[0] for asked in portal.asked}


def test_larger_than_the_disc_and_than_the_work_folder(
    agent: RunningAgent, portal: DiscPortal, slices: list[bytes]
) -> None:
    portal.images = [slices[0] + bytes(2_000_000)]
    small = portal.result(portal.burn("small"), 60)
    assert (small.code, "Choose fewer studies" in small.message) == ("too-large", True)
    portal.images = [slices[0] + bytes(40_000_000)]
    work = portal.result(portal.burn("second"), 60)
    assert (work.code, "may hold 60 MB" in work.message) == ("room", True)
    assert left(agent) == []
    assert not (agent.folder / "second.img").exists()


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("spoiled", "hash"),
        ("hidden", "permission"),
        ("nothing", "empty"),
        ("no dicom", "dicom"),
        ("no header", "dicomdir"),
        ("twice", "dicomdir"),
    ],
)
def test_images_that_make_no_disc(
    agent: RunningAgent, portal: DiscPortal, slices: list[bytes], what: str, code: str
) -> None:
    if what == "spoiled":
        portal.spoil = {2}
    elif what == "hidden":
        portal.status = 404
    else:
        portal.images = {
            "nothing": [],
            "no dicom": [b"MZ" + bytes(4000)],
            "no header": [slices[0][:132] + bytes(400)],
            "twice": [slices[0], slices[0]],
        }[what]
    result = portal.result(portal.burn("second"), 60)
    assert (result.outcome, result.code) == ("failed", code), result
    assert "Müller" not in result.message
    assert left(agent) == []
    assert not (agent.folder / "second.img").exists()


def test_a_portal_that_stumbles(agent: RunningAgent, portal: DiscPortal) -> None:
    portal.fail_next = 2
    assert portal.result(portal.burn("images"), 60).outcome == "done"


def test_another_viewer_than_the_named_one(
    agent: RunningAgent, portal: DiscPortal, viewer_dir: Path
) -> None:
    added = viewer_dir / "lib" / "added.dll"
    for plant in (lambda: added.write_bytes(b"evil"), lambda: added.symlink_to("/etc/passwd")):
        plant()
        try:
            result = portal.result(portal.burn("second"), 60)
        finally:
            added.unlink()
        assert (result.outcome, result.code) == ("failed", "viewer")
        assert not (agent.folder / "second.img").exists()


def slow_xorriso(folder: Path, path: str) -> Path:
    """xorriso, and a drive that waits before it writes; `writing` is there once it is asked to."""
    folder.mkdir()
    program = folder / "xorriso"
    program.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *cdrecord*) touch {folder}/writing; '
        f"while [ ! -e {folder}/go ]; do sleep 0.1; done;; esac\n"
        f'exec {shutil.which("xorriso", path=path)} "$@"\n'
    )
    program.chmod(0o755)
    return folder


def killed_alone(agent: RunningAgent) -> None:
    """kill -9 of the agent; an xorriso of its own goes on, as it does outside of systemd."""
    process, agent.child.process = agent.child.process, None
    assert process is not None
    process.kill()
    process.wait(10)


def test_killed_at_any_point(
    portal: DiscPortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = slow_xorriso(tmp_path / "slow", os.environ["PATH"])
    monkeypatch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
    agent = RunningAgent(tmp_path / "agent", portal.url, sections=drives(tmp_path))
    count = len(portal.of(protocol.Register))

    def restarted() -> None:
        nonlocal count
        killed_alone(agent)
        agent.start()
        count += 1
        portal.wait_registered(count)

    agent.start()
    count += 1
    portal.wait_registered(count)
    try:
        portal.gate.clear()
        early = portal.burn("burner")
        portal.wait(lambda: (early.id, "0") in portal.asked, "it fetches")
        restarted()
        result = portal.result(early)
        assert (result.outcome, result.code) == ("failed", "interrupted")
        assert "before anything was written" in result.message
        portal.gate.set()

        late = portal.burn("burner")
        wait_until((slow / "writing").exists, 60, "it writes")
        assert len(left(agent)) == 1
        restarted()
        result = portal.result(late)
        assert (result.outcome, result.code) == ("failed", "uncertain")
        assert "check it before you give it away" in result.message
        assert left(agent) == []
        # What the old agent began still holds the drive: nobody writes over it.
        busy = portal.result(portal.burn("burner"))
        assert (busy.outcome, busy.code) == ("failed", "busy")
        # The same command again is answered, not done.
        portal.heard.clear()
        portal.say(late)
        assert portal.result(late).code == "uncertain"
        (slow / "go").touch()
        stages = [
            each["detail"].get("stage")
            for each in agent.audit()
            if each["action"] == "command.interrupted"
        ]
        assert stages == ["preparing", "writing"]
        assert portal.result(portal.burn("second"), 60).outcome == "done"
        wait_until(lambda: portal.result(portal.burn("burner"), 60).code != "busy", 60, "free")
    finally:
        (slow / "go").touch()
        agent.kill()


def test_cancelled_while_it_writes(
    portal: DiscPortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = slow_xorriso(tmp_path / "slow", os.environ["PATH"])
    monkeypatch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
    agent = RunningAgent(tmp_path / "agent", portal.url, sections=drives(tmp_path))
    count = len(portal.of(protocol.Register))
    with agent:
        portal.wait_registered(count + 1)
        command = portal.burn("burner")
        wait_until((slow / "writing").exists, 60, "it writes")
        portal.say(protocol.Cancel(id=command.id, idempotency_key=command.idempotency_key))
        result = portal.result(command)
        assert (result.outcome, result.code) == ("failed", "uncertain")
        assert "Throw the disc away" in result.message
        assert left(agent) == []
        # Other commands went on meanwhile, and discs that wait take nobody's turn.
        (slow / "writing").unlink()
        waiting = [portal.burn("burner") for _ in range(6)]
        wait_until((slow / "writing").exists, 60, "it writes")
        assert portal.result(portal.command("ping")).outcome == "done"
        for each in waiting[::-1]:
            portal.say(protocol.Cancel(id=each.id, idempotency_key=each.idempotency_key))
        (slow / "go").touch()


class Bounded(RunningAgent):
    """An agent whose files may not grow: writing fails as on a full disk."""

    def command(self, *more: str) -> list[str]:
        return ["prlimit", "--fsize=300000", *super().command(*more)]


def test_no_room_while_it_fetches(portal: DiscPortal, slices: list[bytes], tmp_path: Path) -> None:
    portal.images = [slices[0] + bytes(400_000)]
    count = len(portal.of(protocol.Register))
    with Bounded(tmp_path / "agent", portal.url, sections=drives(tmp_path)) as agent:
        portal.wait_registered(count + 1)
        result = portal.result(portal.burn("burner"), 60)
        assert (result.outcome, result.code) == ("failed", "room"), result
        assert left(agent) == []


def test_without_xorriso_and_without_drives(
    portal: DiscPortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(portal.of(protocol.Register))
    monkeypatch.setenv("PATH", str(tmp_path))
    with RunningAgent(tmp_path / "a", portal.url, sections=drives(tmp_path)):
        portal.wait_registered(count + 1)
        result = portal.result(portal.burn("burner"))
        assert (result.code, result.message) == (
            "xorriso",
            "xorriso is not installed on the agent's machine.",
        )
    with RunningAgent(tmp_path / "b", portal.url):
        portal.wait_registered(count + 2)
        assert "burn-disc" not in portal.of(protocol.Register)[-1].capabilities
        assert portal.result(portal.burn("burner")).code == "not-allowed"
