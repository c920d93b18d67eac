"""Nothing outside the configured folders is opened, moved or overwritten."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from agents.site import disposal, roots
from agents.site.options import FolderSection


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "a.dcm").write_bytes(b"inside")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s").write_bytes(b"outside")
    (root / "link").symlink_to(secret)
    (root / "filelink").symlink_to(secret / "s")
    (root / "inner").symlink_to(root / "deep")
    os.mkfifo(root / "pipe")
    return root


def read(root: Path, inner: str) -> bytes:
    with roots.open_file(root, inner) as descriptor:
        return os.read(descriptor, 100)


def test_reads_inside(root: Path) -> None:
    assert read(root, "deep/a.dcm") == b"inside"


@pytest.mark.parametrize(
    "inner",
    [
        "link/s",
        "filelink",
        "inner/a.dcm",
        "../secret/s",
        "deep/../../secret/s",
        "deep",
        "pipe",
        "",
        "..",
    ],
)
def test_never_leaves(root: Path, inner: str) -> None:
    with pytest.raises((roots.OutsideError, IsADirectoryError)):
        read(root, inner)


@pytest.mark.parametrize(
    "path",
    ["/etc/shadow", "etc/shadow", "{root}/../secret/s", "{root}x/a", "/", "", "{root}/\0", "."],
)
def test_other_paths_are_in_no_folder(root: Path, path: str) -> None:
    with pytest.raises(roots.OutsideError):
        roots.locate(path.replace("{root}", str(root)), [FolderSection(name="in", path=root)])


def test_the_innermost_folder_is_meant(root: Path) -> None:
    outer = FolderSection(name="outer", path=root)
    inner = FolderSection(name="inner", path=root / "deep")
    assert roots.locate(f"{root}/deep/a.dcm", [outer, inner]) == (inner, "a.dcm")
    assert roots.locate(f"{root}/b/c", [outer, inner]) == (outer, "b/c")
    assert roots.locate(f"{root}/", [outer]) == (outer, "")


def stamp(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def test_moves_and_overwrites_nothing(root: Path, tmp_path: Path) -> None:
    done = tmp_path / "done"
    file = root / "deep" / "a.dcm"
    first = disposal.move(root, "deep/a.dcm", done, **stamp(file))
    file.write_bytes(b"second")
    second = disposal.move(root, "deep/a.dcm", done, **stamp(file))
    assert (first, first.read_bytes()) == (done / "deep" / "a.dcm", b"inside")
    assert (second, second.read_bytes()) == (done / "deep" / "a.2.dcm", b"second")
    assert not file.exists()


def test_moves_to_another_file_system(root: Path) -> None:
    elsewhere = Path("/dev/shm") / f"agent-{os.getpid()}"
    assert os.stat("/dev/shm").st_dev != os.stat(root).st_dev
    file = root / "deep" / "a.dcm"
    before = stamp(file)
    try:
        moved = disposal.move(root, "deep/a.dcm", elsewhere, **before)
        assert moved.read_bytes() == b"inside"
        assert stamp(moved) == before
        assert [each.name for each in moved.parent.iterdir()] == ["a.dcm"]
        assert not file.exists()
    finally:
        (elsewhere / "deep" / "a.dcm").unlink()
        (elsewhere / "deep").rmdir()
        elsewhere.rmdir()


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_move_that_was_cut_off_is_finished(
    root: Path, tmp_path: Path, is_elsewhere: bool
) -> None:
    """The agent died between the new name and the end of the old one."""
    file = root / "deep" / "cut.dcm"
    file.write_bytes(b"pixels")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if is_elsewhere else tmp_path) as name:
        done = Path(name)
        (done / "deep").mkdir()
        there = done / "deep" / "cut.dcm"
        if is_elsewhere:
            shutil.copy2(file, there)
            os.utime(there, ns=(1, file.stat().st_mtime_ns))
        else:
            there.hardlink_to(file)
        assert disposal.move(root, "deep/cut.dcm", done, **stamp(file)) == there
        assert [path.name for path in (done / "deep").iterdir()] == ["cut.dcm"]
        assert there.read_bytes() == b"pixels"
        assert not file.exists()
        # Another file of the same name, size and time is another.
        file.write_bytes(b"others")
        os.utime(file, ns=(1, there.stat().st_mtime_ns))
        moved = disposal.move(root, "deep/cut.dcm", done, **stamp(file))
        assert (moved.name, moved.read_bytes()) == ("cut.2.dcm", b"others")
        assert there.read_bytes() == b"pixels"


def test_what_changed_or_became_a_link_is_not_moved(root: Path, tmp_path: Path) -> None:
    file = root / "deep" / "a.dcm"
    before = stamp(file)
    file.write_bytes(b"more than before")
    with pytest.raises(disposal.MovedAwayError):
        disposal.move(root, "deep/a.dcm", tmp_path / "done", **before)
    assert file.exists()
    with pytest.raises(disposal.MovedAwayError):
        disposal.move(root, "filelink", tmp_path / "done", **stamp(root / "filelink"))
    with pytest.raises(roots.OutsideError):
        disposal.move(root, "link/s", tmp_path / "done", **stamp(root / "link" / "s"))
    with pytest.raises(disposal.MovedAwayError):
        disposal.move(root, "deep/none", tmp_path / "done", size=1, mtime_ns=1)
