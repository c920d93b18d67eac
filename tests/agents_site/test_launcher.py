"""The launcher, killed before every durable step of a switch and of a way back."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.agents_site.releases import LAUNCHER

DYING = str(Path(__file__).with_name("dying.py"))
# Stands for the agent: a release says that it is healthy and waits until the launcher has noted
# it, or ends badly; each leaves a line of what ran.
AGENT = """
import json, os, pathlib, sys, time
folder = pathlib.Path(os.environ["LIGHTBOX_AGENT_UPDATES"])
seq = int(os.environ["LIGHTBOX_AGENT_SEQ"])
with (folder / "ran").open("a") as file:
    file.write(f"{seq}\\n")
if "bad" in VERDICT:
    sys.exit(9)
if seq:
    draft = folder / "healthy.new"
    draft.write_text(json.dumps({"seq": seq}))
    draft.replace(folder / "healthy")
    while json.loads((folder / "state.json").read_text())["current"] != seq:
        time.sleep(0.01)
"""


def agent(verdict: str) -> bytes:
    return AGENT.replace("VERDICT", repr(verdict)).encode()


def stage(folder: Path, seq: int, verdict: str) -> None:
    """What the agent lays down before it asks for its restart."""
    place = folder / "releases" / str(seq)
    place.mkdir(parents=True)
    data = agent(verdict)
    (place / "agent.pyz").write_bytes(data)
    told = {"seq": seq, "version": f"{seq}.0", "sha256": hashlib.sha256(data).hexdigest()}
    (place / "release.json").write_text(json.dumps(told))
    (folder / "staged").write_text(json.dumps(told))


def installation(path: Path) -> tuple[Path, Path]:
    """Program and updates of an agent at release 1, as one start with the launcher left it."""
    path.mkdir()
    program, folder = path / "installed.pyz", path / "updates"
    program.write_bytes(agent("good"))
    assert launch(program, folder).returncode == 0
    stage(folder, 1, "good")
    assert launch(program, folder).returncode == 0
    assert state(folder)["current"] == 1
    return program, folder


def launch(program: Path, folder: Path, fatal: int | None = None) -> Any:
    before = [] if fatal is None else [DYING, str(fatal)]
    return subprocess.run(
        [
            *(sys.executable, "-S", *before, str(LAUNCHER), "--updates", str(folder)),
            *("--health-seconds", "60", str(program), "--"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )


def state(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "state.json").read_text())


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("launcher") / "start"
    installation(path)
    return path


def copy(start: Path, target: Path) -> tuple[Path, Path]:
    subprocess.run(["cp", "-a", start, target], check=True)
    return target / "installed.pyz", target / "updates"


@pytest.mark.parametrize("verdict", ["good", "bad"])
def test_killed_before_every_step(start: Path, tmp_path: Path, verdict: str) -> None:
    """Whatever step it died before, the next start ends where the uninterrupted one ends."""
    program, folder = copy(start, tmp_path / "whole")
    stage(folder, 2, verdict)
    whole = launch(program, folder, 0)
    found = re.search(r"steps (\d+)", whole.stdout)
    assert found, whole.stderr
    steps = int(found[1])
    assert steps >= 8
    expected = state(folder)
    assert expected["current"] == (2 if verdict == "good" else 1)
    assert expected["last"]["outcome"] == ("done" if verdict == "good" else "failed")

    def one(fatal: int) -> None:
        program, folder = copy(start, tmp_path / f"step{fatal}")
        stage(folder, 2, verdict)
        assert launch(program, folder, fatal).returncode == -9, fatal
        again = launch(program, folder)
        assert again.returncode == 0, (fatal, again.stderr)
        ended = state(folder)
        for name in ("current", "trying", "floor", "bad", "last"):
            assert ended[name] == expected[name], (fatal, name)
        assert not (folder / "staged").exists()
        ran = (folder / "ran").read_text().split()
        assert ran[-1] == str(expected["current"])
        assert sorted(path.name for path in (folder / "releases").iterdir()) == (
            ["1", "2"] if verdict == "good" else ["1"]
        ), fatal

    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(one, range(1, steps + 1)))) == steps


def test_a_trial_that_always_takes_the_machine_down(start: Path, tmp_path: Path) -> None:
    """Three starts, then the release before: a reset in the trial leaves no trace but the count."""
    program, folder = copy(start, tmp_path / "a")
    stage(folder, 2, "bad")
    at_trial = {**state(folder), "trying": 2, "version": "2.0"}
    for starts in (1, 2):
        (folder / "state.json").write_text(json.dumps({**at_trial, "starts": starts}))
        assert state(folder)["trying"] == 2
    (folder / "state.json").write_text(json.dumps({**at_trial, "starts": 3}))
    assert launch(program, folder).returncode == 0
    assert (state(folder)["current"], state(folder)["bad"]) == (1, [2])
    assert "three times" in state(folder)["last"]["reason"]


@pytest.mark.parametrize("damage", ["release", "marker", "half"])
def test_what_a_power_failure_leaves_half(start: Path, tmp_path: Path, damage: str) -> None:
    """Half a file on the disk is never a reason to start nothing, or the wrong thing."""
    program, folder = copy(start, tmp_path / "a")
    stage(folder, 2, "good")
    if damage == "release":
        (folder / "releases" / "2" / "agent.pyz").write_bytes(agent("good")[:-40])
    elif damage == "marker":
        (folder / "staged").write_text('{"seq": 2, "ver')
    else:
        (folder / "state.json.new").write_text('{"current": 2')
    assert launch(program, folder).returncode == 0
    assert state(folder)["current"] == (2 if damage == "half" else 1)
    assert (folder / "ran").read_text().split()[-1] == ("2" if damage == "half" else "1")


def test_both_releases_damaged(start: Path, tmp_path: Path) -> None:
    program, folder = copy(start, tmp_path / "a")
    stage(folder, 2, "good")
    assert launch(program, folder).returncode == 0
    for seq in (1, 2):
        (folder / "releases" / str(seq) / "agent.pyz").write_bytes(b"half")
    assert launch(program, folder).returncode == 0
    assert (folder / "ran").read_text().split()[-1] == "0"
    assert state(folder)["floor"] == 2
