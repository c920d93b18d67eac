"""The supervisor's parts, with small stand-ins for the real processes."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pacs.supervisor import orthanc
from pacs.supervisor.__main__ import Supervisor, lock
from pacs.supervisor.console import Console
from pacs.supervisor.environment import CHECKOUT, MARKER, Environment, SetupError
from pacs.supervisor.process import Process, Service, describe_exit, kill_leftovers
from tests.servers.ports import free_port, wait_until

ENDLESS = "import time; print('up', flush=True); time.sleep(600)"
# Starts a child that ignores TERM and outlives its parent, as an embedded beat can.
WITH_CHILD = """
import subprocess, sys, time
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
print("child", subprocess.Popen([sys.executable, "-c", code]).pid, flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def service(tmp_path: Path, out: io.StringIO, code: str, name: str = "thing") -> Service:
    command = [sys.executable, "-u", "-c", code]
    return Service(name, command, dict(os.environ), Console(out), tmp_path)


async def until(condition: object, what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def read_pid(path: Path) -> int:
    return int(path.read_text()) if path.exists() and path.read_text() else 0


async def test_killed_process_is_started_again(tmp_path: Path, out: io.StringIO) -> None:
    thing = service(tmp_path, out, ENDLESS)
    running = asyncio.create_task(thing.run())
    pid_file = tmp_path / "thing.pid"
    await until(lambda: "up" in out.getvalue(), "first start")
    first = read_pid(pid_file)
    os.kill(first, signal.SIGKILL)
    await until(lambda: out.getvalue().count("up") == 2, "second start")
    second = read_pid(pid_file)
    assert second != first
    assert "thing was killed by SIGKILL; starting it again in 0.5 s" in out.getvalue()
    thing.stop()
    await asyncio.wait_for(running, 5)
    assert not alive(second)
    assert not pid_file.exists()


async def test_pauses_between_restarts_grow(tmp_path: Path, out: io.StringIO) -> None:
    thing = service(tmp_path, out, "raise SystemExit(3)")
    running = asyncio.create_task(thing.run())
    await until(lambda: "in 2 s" in out.getvalue(), "third crash")
    thing.stop()
    await asyncio.wait_for(running, 5)
    pauses = re.findall(r"ended with code 3; starting it again in (\S+) s", out.getvalue())
    assert pauses == ["0.5", "1", "2"]


async def test_orphans_of_a_killed_process_do_not_survive(tmp_path: Path, out: io.StringIO) -> None:
    thing = service(tmp_path, out, WITH_CHILD)
    running = asyncio.create_task(thing.run())
    await until(lambda: "child" in out.getvalue(), "start")
    orphan = int(re.findall(r"child (\d+)", out.getvalue())[0])
    os.kill(read_pid(tmp_path / "thing.pid"), signal.SIGKILL)
    await until(lambda: out.getvalue().count("child") == 2, "second start")
    assert not alive(orphan)
    thing.stop()
    await asyncio.wait_for(running, 5)
    assert not any(alive(int(pid)) for pid in re.findall(r"child (\d+)", out.getvalue()))


async def test_long_and_partial_lines_are_passed_on(tmp_path: Path, out: io.StringIO) -> None:
    code = "import sys; sys.stdout.write('a' * 100_000 + '\\nlast \\xff without newline')"
    process = Process(
        "thing", [sys.executable, "-c", code], dict(os.environ), Console(out), tmp_path
    )
    assert await asyncio.wait_for(process.ended(), 10) == 0
    text = out.getvalue()
    assert text.count("a") >= 100_000
    assert "without newline" in text


def test_log_lines_are_readable() -> None:
    out = io.StringIO()
    console = Console(out)
    console.line("orthanc", "W1124 18:00:00.123456 main.cpp:2016] Orthanc has started")
    console.line("orthanc", "E1124 18:00:00.123456 MAIN main.cpp:20] Broken")
    console.line("web", "plain")
    assert out.getvalue().splitlines() == [
        "orthanc  | Orthanc has started",
        "orthanc  | error: Broken",
        "web      | plain",
    ]


def test_exit_codes_in_words() -> None:
    assert describe_exit(1) == "ended with code 1"
    assert describe_exit(-9) == "was killed by SIGKILL"


def test_variables_are_checked() -> None:
    with pytest.raises(SetupError, match="PACS_PORT must be a port number"):
        Environment.read({"PACS_PORT": "80a"})
    with pytest.raises(SetupError, match="ORTHANC_DICOM_PORT"):
        Environment.read({"ORTHANC_DICOM_PORT": "70000"})
    with pytest.raises(SetupError, match="PACS_DEMO must be 1 or 0"):
        Environment.read({"PACS_DEMO": "perhaps"})
    assert Environment.read({}).port == 8000
    assert Environment.read({}).demo
    assert not Environment.read({"PACS_DEMO": "0"}).demo
    assert not Environment.read({}, demo=False).demo


def test_demo_password_is_made_once(tmp_path: Path) -> None:
    made = Environment.read({"PACS_DATA_DIR": str(tmp_path)}).demo_password()
    assert len(made) >= 12
    assert Environment.read({"PACS_DATA_DIR": str(tmp_path)}).demo_password() == made
    given = {"PACS_DATA_DIR": str(tmp_path), "PACS_DEMO_PASSWORD": "chosen by me"}
    assert Environment.read(given).demo_password() == "chosen by me"


@pytest.mark.parametrize("variable", ["PACS_PORT", "ORTHANC_HTTP_PORT", "ORTHANC_DICOM_PORT"])
def test_port_in_use_is_named_with_its_variable(tmp_path: Path, variable: str) -> None:
    variables = {
        "PACS_DATA_DIR": str(tmp_path),
        "PACS_PORT": str(free_port()),
        "ORTHANC_HTTP_PORT": str(free_port()),
        "ORTHANC_DICOM_PORT": str(free_port()),
    }
    environment = Environment.read(variables)
    environment.check_ports(with_orthanc=True)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(variables[variable])))
        other.listen(1)
        message = f"Port {variables[variable]},.* is already in use.*{variable}=<port> make run"
        with pytest.raises(SetupError, match=message):
            environment.check_ports(with_orthanc=True)


def test_same_port_twice_is_refused() -> None:
    with pytest.raises(SetupError, match="must be different"):
        Environment.read({"PACS_PORT": "8042"}).check_ports(with_orthanc=True)


def test_command_line_says_which_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        variables = {"PACS_DATA_DIR": str(tmp_path / "data"), "PACS_PORT": str(port)}
        done = subprocess.run(
            [sys.executable, "-m", "pacs.supervisor"],
            cwd=CHECKOUT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert f"Port {port}" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_one_supervisor_for_a_data_directory(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(SetupError, match="already runs"):
        lock(tmp_path)
    lock(tmp_path).close()


def test_leftovers_of_a_killed_supervisor_are_ended(tmp_path: Path) -> None:
    mine = dict(os.environ) | {MARKER: str(tmp_path)}
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    left = subprocess.Popen(command, env=mine, start_new_session=True)
    stranger = subprocess.Popen(command, start_new_session=True)
    try:
        (tmp_path / "worker.pid").write_text(f"{left.pid}\n")
        (tmp_path / "web.pid").write_text(f"{stranger.pid}\n")
        wait_until(
            lambda: MARKER.encode() in Path(f"/proc/{left.pid}/environ").read_bytes(), 5, "exec"
        )
        assert kill_leftovers(tmp_path, str(tmp_path)) == ["worker"]
        assert left.wait(5) == -signal.SIGKILL
        assert stranger.poll() is None
        assert list(tmp_path.glob("*.pid")) == []
    finally:
        for process in (left, stranger):
            process.kill()
            process.wait()


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGTERM])
def test_children_end_with_the_supervisor(tmp_path: Path, fault: int) -> None:
    """Even where it is killed and cannot do anything about it."""
    code = f"""
import asyncio, os, sys
from pathlib import Path
from pacs.supervisor.console import Console
from pacs.supervisor.process import Service
thing = Service("thing", [sys.executable, "-c", {ENDLESS!r}], os.environ, Console(sys.stdout),
                Path({str(tmp_path)!r}))
asyncio.run(thing.run())
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert "up" in parent.stdout.readline()
        child = read_pid(tmp_path / "thing.pid")
        parent.send_signal(fault)
        parent.wait(10)
    wait_until(lambda: not alive(child), 5, "the child ends")


@pytest.fixture
def configuration(tmp_path: Path) -> tuple[orthanc.LocalOrthanc, dict[str, object]]:
    environment = Environment.read({"PACS_DATA_DIR": str(tmp_path), "ORTHANC_DICOM_PORT": "11112"})
    installation = orthanc.Installation("/usr/sbin/Orthanc", (Path("/a/libOrthancPython.so"),), ())
    local = orthanc.LocalOrthanc(environment)
    text = local.write_configuration(installation).read_text()
    uncommented = "\n".join(line for line in text.splitlines() if line.strip()[:2] != "//")
    return local, json.loads(uncommented)


def test_orthanc_configuration(
    configuration: tuple[orthanc.LocalOrthanc, dict[str, object]],
) -> None:
    local, written = configuration
    assert written["DicomPort"] == 11112
    assert written["RemoteAccessAllowed"] is False
    assert written["AuthenticationEnabled"] is True
    assert written["OverwriteInstances"] is False
    assert written["RegisteredUsers"] == {"portal": local.password_file.read_text()}
    assert written["Plugins"] == ["/a/libOrthancPython.so"]
    assert written["Lightbox"] == {
        "Url": "http://127.0.0.1:8000/api/orthanc/webhook/",
        "Server": "local",
        "SecretFile": str(local.secret_file),
        "WindowMs": 250,
    }


def test_orthanc_secrets_are_private_and_made_once(
    configuration: tuple[orthanc.LocalOrthanc, dict[str, object]],
) -> None:
    local, _ = configuration
    for path in (local.configuration, local.password_file, local.secret_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = local.password_file.read_text(), local.secret_file.read_text()
    local.write_configuration(orthanc.Installation("/usr/sbin/Orthanc", (), ()))
    assert (local.password_file.read_text(), local.secret_file.read_text()) == before


def test_without_orthanc_the_portal_starts_and_says_how_to_get_it(
    tmp_path: Path, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orthanc.shutil, "which", lambda *_args, **_kwargs: None)
    supervisor = Supervisor(Environment.read({"PACS_DATA_DIR": str(tmp_path)}), Console(out))
    assert supervisor.prepare_orthanc() == []
    supervisor.add_services([])
    assert [each.name for each in supervisor.services] == ["web", "worker", "follow"]
    assert "apt-get install" in out.getvalue()
    assert "LIGHTBOX_LOCAL_ORTHANC_URL" not in supervisor.variables


def test_order_of_start_and_environment(tmp_path: Path, out: io.StringIO) -> None:
    supervisor = Supervisor(Environment.read({"PACS_DATA_DIR": str(tmp_path)}), Console(out))
    supervisor.add_services(["/usr/sbin/Orthanc", "orthanc.json"])
    names = [each.name for each in supervisor.services]
    assert names == ["orthanc", "web", "worker", "follow"]
    assert supervisor.variables["TMPDIR"] == str(tmp_path / "tmp")
