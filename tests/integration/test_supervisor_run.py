"""The whole product under its supervisor: crashes, clean stop, second start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.ports import listens, wait_until
from tests.servers.stack import CHECKOUT, Stack

pytestmark = pytest.mark.integration

NAMES = ("orthanc", "web", "worker", "follow")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("lightbox")) as stack:
        yield stack


def supervised(data_dir: Path) -> list[int]:
    """Pids of all processes that carry this data directory, zombies excepted."""
    marker = f"LIGHTBOX_SUPERVISED={data_dir}".encode()
    pids = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and marker in (process / "environ").read_bytes():
                pids.append(int(process.name))
        except OSError:
            continue
    return pids


@pytest.mark.parametrize("name", NAMES)
def test_crashed_process_is_started_again(stack: Stack, name: str) -> None:
    new = stack.wait_restarted(name, stack.kill(name, signal.SIGKILL))
    stack.wait_healthy(60)
    assert stack.pid(name) == new
    wait_until(lambda: listens(stack.orthanc_http_port), 20, "Orthanc answers")


def test_no_second_beat_after_the_worker_was_killed(stack: Stack) -> None:
    stack.wait_restarted("worker", stack.kill("worker", signal.SIGKILL))
    stack.wait_healthy(60)
    group = stack.pid("worker")
    beats = [
        pid
        for pid in supervised(stack.data_dir)
        if b"celerybeat-schedule" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert beats
    assert {os.getpgid(pid) for pid in beats} == {group}


def test_second_supervisor_of_the_data_directory_is_refused(stack: Stack) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pacs.supervisor"],
        cwd=CHECKOUT,
        env=stack.variables(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "already runs" in done.stdout
    assert stack.health()[0] == 200


def test_no_secret_in_the_log(stack: Stack) -> None:
    log = stack.child.log.read_text()
    assert stack.hook_secret not in log
    assert stack.orthanc_credentials[1] not in log


def test_clean_stop_and_second_start(stack: Stack) -> None:
    process = stack.child.process
    assert process is not None
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0
    assert time.monotonic() - started < 10
    assert supervised(stack.data_dir) == []
    for port in (stack.port, stack.orthanc_http_port, stack.dicom_port):
        assert not listens(port)
    assert "Traceback" not in stack.tail(40)
    stack.stop()
    stack.start()
    assert stack.health()[0] == 200
