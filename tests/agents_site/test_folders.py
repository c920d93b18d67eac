"""Folders: every new DICOM file once to the portal, whatever happens to file, network or agent."""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from aiohttp import web

from tests.agents_site.receiver import Receiver
from tests.agents_site.running import RunningAgent, folder_section
from tests.servers.ports import wait_until

SMALL = (Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm").read_bytes()


def image(number: int) -> bytes:
    """A DICOM file like no other: its preamble is its number (PS3.10 7.1 leaves it free)."""
    return number.to_bytes(128, "big") + SMALL[128:]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "in"


@pytest.fixture
def agent(tmp_path: Path, receiver: Receiver, inbox: Path) -> Iterator[Callable[..., RunningAgent]]:
    made: list[RunningAgent] = []

    def make(*, upload: str = "", **folder: Any) -> RunningAgent:
        sections = f"[upload]\nretry_max_seconds = 1\n{upload}\n" + folder_section(inbox, **folder)
        running = RunningAgent(tmp_path / "agent", receiver.url, sections=sections, reconnect=30)
        made.append(running)
        running.start()
        return running

    yield make
    for each in made:
        each.stop()


def test_each_new_file_once(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    (inbox / "deep" / "er").mkdir(parents=True)
    (inbox / "a.dcm").write_bytes(image(1))
    running = agent()
    running.wait_states(done=1)
    (inbox / "deep" / "er" / "b").write_bytes(image(2))
    (inbox / "notes.txt").write_text("no image")
    (inbox / ".hidden").write_bytes(image(3))
    (inbox / "c.dcm.part").write_bytes(image(4))
    (inbox / "empty.dcm").write_bytes(b"")
    running.wait_states(done=2, other=1)
    os.rename(inbox / "c.dcm.part", inbox / "c.dcm")
    running.wait_states(done=3, other=1)
    running.stop()
    running.start()
    (inbox / "d.dcm").write_bytes(image(5))
    running.wait_states(done=4, other=1)
    assert receiver.posts == {digest(image(number)): 1 for number in (1, 2, 4, 5)}
    assert receiver.headers[0]["Authorization"] == "Bearer lba_none"
    assert receiver.headers[0]["Content-Type"] == "application/dicom"
    assert (inbox / "a.dcm").read_bytes() == image(1)
    assert "a.dcm" not in running.log


def test_a_changed_file_is_another(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    running = agent()
    (inbox / "a.dcm").write_bytes(image(1))
    running.wait_states(done=1)
    (inbox / "a.dcm").write_bytes(image(2))
    wait_until(lambda: receiver.posts[digest(image(2))] == 1, 10, "the second version")


def test_growing_file_is_sent_when_it_is_whole(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    running = agent()
    whole = image(1)
    with (inbox / "a.dcm").open("wb") as file:
        for start in range(0, len(whole), 8000):
            file.write(whole[start : start + 8000])
            file.flush()
            time.sleep(0.15)
        file.flush()
    running.wait_states(done=1)
    assert receiver.posts == {digest(whole): 1}


def test_stalled_copy_is_waited_for(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    running = agent()
    (inbox / "a.dcm").write_bytes(image(1)[:20000])
    running.wait_states(retry=1)
    (inbox / "a.dcm").write_bytes(image(1))
    running.wait_states(done=1)
    assert receiver.posts == {digest(image(1)): 1}


def test_truncated_for_good_is_sent_in_the_end(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    running = agent(settle_seconds=0.1)
    (inbox / "a.dcm").write_bytes(image(1)[:20000])
    running.wait_states(done=1)
    assert receiver.posts == {digest(image(1)[:20000]): 1}


def test_moved_after_success_and_failed_with_a_reason(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path, tmp_path: Path
) -> None:
    def answer(_request: web.Request, body: bytes) -> web.Response | None:
        if body == image(2):
            return web.Response(
                status=202,
                text=json.dumps(
                    {"outcome": "quarantined", "words": "Of another patient.", "instance": None}
                ),
            )
        if body == image(4):
            return web.Response(status=410, text="Deleted there.")
        return web.Response(status=413, text="Too large.") if body == image(3) else None

    receiver.answer = answer
    done, failed = tmp_path / "done", tmp_path / "failed"
    running = agent(after="move", done_dir=done, failed_dir=failed, other_files="failed")
    (inbox / "x").mkdir()
    for number in (1, 2, 3, 4):
        (inbox / "x" / f"{number}.dcm").write_bytes(image(number))
    (inbox / "notes.txt").write_text("no image")
    running.wait_states(moved=1, failed=4)
    wait_until(lambda: (failed / "notes.txt.reason.txt").exists(), 5, "reasons")
    wait_until(lambda: [path for path in inbox.rglob("*") if path.is_file()] == [], 5, "all away")
    assert (done / "x" / "1.dcm").read_bytes() == image(1)
    assert (failed / "x" / "2.dcm").read_bytes() == image(2)
    reasons = {path.name: path.read_text() for path in failed.rglob("*.reason.txt")}
    assert reasons == {
        "2.dcm.reason.txt": "in the portal's quarantine: Of another patient.\n",
        "3.dcm.reason.txt": "the portal answered 413: Too large.\n",
        "4.dcm.reason.txt": "the portal answered 410: Deleted there.\n",
        "notes.txt.reason.txt": "no DICOM file\n",
    }


@pytest.mark.parametrize("status", [500, 503, 401, 429, 302])
def test_trouble_at_the_portal_loses_nothing(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path, status: int
) -> None:
    broken = True

    def answer(_request: web.Request, _body: bytes) -> web.Response | None:
        return web.Response(status=status, headers={"Location": "/x"}) if broken else None

    receiver.answer = answer
    running = agent()
    for number in range(6):
        (inbox / f"{number}.dcm").write_bytes(image(number))
    wait_until(lambda: running.states().get("retry", 0) > 0, 15, "a retry")
    broken = False
    running.wait_states(done=6)
    assert receiver.posts == {digest(image(number)): 1 for number in range(6)}


def test_one_poisonous_file_stops_no_other(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    receiver.answer = lambda _request, body: web.Response(status=500) if body == image(0) else None
    running = agent()
    for number in range(20):
        (inbox / f"{number}.dcm").write_bytes(image(number))
    running.wait_states(done=19, retry=1)


def test_something_else_that_answers_200_is_no_portal(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    receiver.answer = lambda _request, _body: web.Response(text="<html>Please log in</html>")
    running = agent()
    (inbox / "1.dcm").write_bytes(image(1))
    running.wait_states(retry=1)
    receiver.answer = lambda _request, _body: None
    running.wait_states(done=1)


def test_portal_down_and_back(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    receiver.stop()
    running = agent()
    for number in range(30):
        (inbox / f"{number}.dcm").write_bytes(image(number))
    running.wait_log("the portal cannot be reached")
    time.sleep(1)
    receiver.start()
    running.wait_states(done=30)
    assert set(receiver.posts.values()) == {1}


def test_no_more_than_four_at_a_time(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    receiver.delay = 0.05
    running = agent()
    for number in range(40):
        (inbox / f"{number}.dcm").write_bytes(image(number))
    running.wait_states(done=40)
    assert receiver.most == 4


def test_bandwidth_is_kept(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    running = agent(upload="rate_kb = 200")
    for number in range(16):
        (inbox / f"{number}.dcm").write_bytes(image(number))
    wait_until(lambda: receiver.posts.total() > 0, 15, "the first")
    begun = time.monotonic()
    running.wait_states(done=16)
    taken = time.monotonic() - begun
    expected = 16 * len(SMALL) / 200_000
    assert 0.6 * expected < taken < 3 * expected + 2


def test_waits_for_the_night(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    hour = time.localtime().tm_hour
    later = f"{(hour + 2) % 24:02}:00-{(hour + 3) % 24:02}:00"
    running = agent(upload=f'night = "{later}"', only_at_night=True)
    (inbox / "1.dcm").write_bytes(image(1))
    time.sleep(2)
    assert not receiver.posts
    running.stop()
    text = running.config.read_text()
    now = f"{(hour - 1) % 24:02}:00-{(hour + 2) % 24:02}:00"
    running.config.write_text(text.replace(later, now))
    running.start()
    running.wait_states(done=1)


def test_links_out_of_the_folder_are_not_followed(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "s.dcm").write_bytes(image(9))
    inbox.mkdir()
    (inbox / "link").symlink_to(outside)
    (inbox / "s.dcm").symlink_to(outside / "s.dcm")
    running = agent()
    (inbox / "1.dcm").write_bytes(image(1))
    running.wait_states(done=1)
    assert list(receiver.posts) == [digest(image(1))]


def test_deleted_while_it_is_sent(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path, tmp_path: Path
) -> None:
    def answer(_request: web.Request, body: bytes) -> None:
        if body == image(0):
            (inbox / "0.dcm").unlink()

    receiver.answer = answer
    running = agent(after="move", done_dir=tmp_path / "done")
    for number in range(3):
        (inbox / f"{number}.dcm").write_bytes(image(number))
    running.wait_states(done=1, moved=2)
    assert receiver.posts[digest(image(0))] == 1


def test_names_in_another_encoding(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path, tmp_path: Path
) -> None:
    """A modality's disk with names in Latin-1: bytes that are no UTF-8."""
    running = agent(after="move", done_dir=tmp_path / "done")
    os.mkdir(os.fsencode(inbox) + b"/R\xf6ntgen")
    (inbox / os.fsdecode(b"R\xf6ntgen") / os.fsdecode(b"M\xfcller.dcm")).write_bytes(image(1))
    running.wait_states(moved=1)
    moved = os.fsencode(tmp_path) + b"/done/R\xf6ntgen/M\xfcller.dcm"
    assert Path(os.fsdecode(moved)).read_bytes() == image(1)


def test_large_file_is_streamed(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    running = agent()
    body = image(1) + b"\xfc\xff\xfc\xffOB\0\0" + (40_000_000).to_bytes(4, "little")
    body += bytes(40_000_000)
    (inbox / "1.dcm").write_bytes(body)
    running.wait_states(done=1)
    assert receiver.posts == {digest(body): 1}


def test_polling_finds_what_no_notice_tells(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    running = agent(poll=True, scan_seconds=3600)
    running.wait_states()
    (inbox / "1.dcm").write_bytes(image(1))
    running.wait_states(done=1)


def test_folder_that_vanishes_and_returns(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    running = agent()
    (inbox / "1.dcm").write_bytes(image(1))
    running.wait_states(done=1)
    shutil.move(inbox, inbox.with_name("away"))
    running.wait_log("No such file or directory")
    shutil.move(inbox.with_name("away"), inbox)
    (inbox / "2.dcm").write_bytes(image(2))
    running.wait_states(done=2)
    assert receiver.posts == {digest(image(number)): 1 for number in (1, 2)}


def test_stopped_in_the_middle_finishes_what_it_began(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    receiver.delay = 0.3
    running = agent()
    for number in range(40):
        (inbox / f"{number}.dcm").write_bytes(image(number))
    wait_until(lambda: receiver.posts.total() > 4, 15, "a few")
    running.stop()
    assert running.states() == {"done": receiver.posts.total()}
    receiver.delay = 0.0
    running.start()
    running.wait_states(done=40)
    assert set(receiver.posts.values()) == {1}


def test_two_agents_do_not_share_a_state(
    agent: Callable[..., RunningAgent], tmp_path: Path, receiver: Receiver
) -> None:
    running = agent()
    wait_until(lambda: (running.state_dir / "audit.jsonl").exists(), 10, "the first runs")
    second = RunningAgent(tmp_path / "agent", receiver.url)
    second.child.log = tmp_path / "second.log"
    second.start()
    wait_until(lambda: not second.child.running, 10, "the second ends")
    assert "already uses this state_dir" in second.log
    second.stop()


def test_killed_at_random_over_hundreds_of_files(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path, tmp_path: Path
) -> None:
    """Six times kill -9: all uploaded and moved once; only what was not yet noted is sent again."""
    chance = random.Random(7)
    receiver.delay = 0.004
    running = agent(after="move", done_dir=tmp_path / "done", settle_seconds=0.2)
    for number in range(400):
        (inbox / f"{number % 7}").mkdir(exist_ok=True)
        (inbox / f"{number % 7}" / f"{number}.dcm").write_bytes(image(number))
    for target in (20, 80, 140, 200, 260, 320):
        wait_until(lambda wanted=target: receiver.posts.total() >= wanted, 60, f"{target}")
        time.sleep(chance.uniform(0, 0.1))
        running.kill()
        running.start()
    # Moved by an agent that died before it noted the move: "done", and gone from the folder.
    wait_until(lambda: not [path for path in inbox.rglob("*") if path.is_file()], 90, "all away")
    running.stop()
    assert running.states().keys() <= {"done", "moved"}
    assert sum(running.states().values()) == 400
    wanted = {digest(image(number)) for number in range(400)}
    assert set(receiver.posts) == wanted
    assert max(receiver.posts.values()) <= 1 + 6
    assert receiver.posts.total() < 2 * 400
    moved = [path for path in (tmp_path / "done").rglob("*") if path.is_file()]
    assert {digest(path.read_bytes()) for path in moved} == wanted
    assert len(moved) == 400


def test_full_disk_at_the_agent_loses_and_repeats_nothing(
    agent: Callable[..., RunningAgent], receiver: Receiver, inbox: Path
) -> None:
    """The running process may write no more, as on a full disk; then it may again."""
    running = agent()
    (inbox / "0.dcm").write_bytes(image(0))
    running.wait_states(done=1)
    process = running.child.process
    assert process is not None
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    for number in range(1, 8):
        (inbox / f"{number}.dcm").write_bytes(image(number))
    wait_until(lambda: receiver.posts.total() > 1, 15, "an upload")
    time.sleep(3)
    assert running.child.running
    assert running.states() == {"done": 1}
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
    running.wait_states(done=8)
    assert set(receiver.posts.values()) == {1}
