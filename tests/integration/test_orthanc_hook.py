"""The hook plugin in a real Orthanc, posting to a receiver of the test."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import runpy
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from studies.demo.synth import ct_series
from tests.servers.orthanc import HOOK_SCRIPT, OrthancServer
from tests.servers.ports import free_port, wait_until

pytestmark = pytest.mark.integration

SECRET = "hook-secret-of-the-test"


@dataclass
class Hint:
    at: float
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        return json.loads(self.body)["events"]


@dataclass
class Receiver:
    """Stands for the portal: keeps hints, answers `status`, or hangs."""

    port: int = field(default_factory=free_port)
    hints: list[Hint] = field(default_factory=list)
    status: int = 202
    headers: list[tuple[str, str]] = field(default_factory=list)
    hang: threading.Event | None = None
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/orthanc/webhook/"

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.hang:
                    receiver.hang.wait(60)
                if receiver.status < 300:
                    receiver.hints.append(Hint(time.monotonic(), dict(self.headers), body))
                self.send_response(receiver.status)
                for name, value in receiver.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_arguments: object) -> None:
                """The plugin hangs up after its timeout."""

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def count(self, kind: str) -> int:
        return sum(
            event.get("count", 1)
            for hint in self.hints
            for event in hint.events
            if event["type"] == kind
        )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.start()
    yield receiver
    if receiver.hang:
        receiver.hang.set()
    receiver.stop()


@pytest.fixture
def orthanc(tmp_path: Path, receiver: Receiver) -> Iterator[OrthancServer]:
    server = OrthancServer(
        tmp_path / "orthanc", hook_url=receiver.url, slug="ct-scanner", secret=SECRET
    )
    with server:
        wait_until(lambda: receiver.count("Started"), 5, "hint at Orthanc's start")
        receiver.hints.clear()
        time.sleep(0.3)  # the window of the first hint
        yield server


def series(tmp_path: Path, count: int, seed: int = 1) -> list[Path]:
    return ct_series(tmp_path / f"series{seed}", count, 64, seed=seed)


def expected_signature(hint: Hint) -> str:
    message = hint.headers["X-Orthanc-Timestamp"].encode() + b"." + hint.body
    return "sha256=" + hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()


def test_hints_are_signed_and_hold_no_patient_data(
    tmp_path: Path, orthanc: OrthancServer, receiver: Receiver
) -> None:
    paths = ct_series(tmp_path / "ct", 3, 64, patient_name="Secret^Sally", patient_id="S-1")
    orthanc.storescu(paths)
    wait_until(lambda: receiver.count("StableStudy"), 15, "hint of the stable study")

    for hint in receiver.hints:
        assert hint.headers["X-Orthanc-Server"] == "ct-scanner"
        assert hint.headers["Content-Type"] == "application/json"
        assert abs(int(hint.headers["X-Orthanc-Timestamp"]) - time.time()) < 60
        assert hmac.compare_digest(hint.headers["X-Orthanc-Signature"], expected_signature(hint))
        assert json.loads(hint.body)["source"] == "ct-scanner"
        assert b"Secret" not in hint.body
        assert b"S-1" not in hint.body
    assert receiver.count("NewInstance") == 3
    stable = [event for hint in receiver.hints for event in hint.events if "id" in event]
    assert [event["id"] for event in stable] == orthanc.json("/studies")


def test_first_hint_comes_at_once(
    tmp_path: Path, orthanc: OrthancServer, receiver: Receiver
) -> None:
    path = series(tmp_path, 1)[0]
    started = time.monotonic()
    status, _ = orthanc.rest("POST", "/instances", path.read_bytes())
    assert status == 200
    stored = time.monotonic()
    wait_until(lambda: receiver.count("NewInstance"), 5, "hint")
    assert receiver.hints[0].at - started < 0.5
    # Orthanc hands changes to plugins from a thread that looks every 100 ms.
    assert receiver.hints[0].at - stored < 0.25


def test_nothing_is_held_back_after_a_pause() -> None:
    """The plugin's own share of the delay, without Orthanc's."""
    hook = runpy.run_path(str(HOOK_SCRIPT))
    posted: list[float] = []

    class Portal:
        server, url = "test", "http://portal.test/"

        def post(self, _events: list[dict[str, Any]]) -> None:
            posted.append(time.monotonic())

    hints = hook["Hints"](Portal(), 0.25, print)
    thread = threading.Thread(target=hints.run)
    thread.start()
    time.sleep(0.05)
    started = time.monotonic()
    hints.add("NewInstance")
    wait_until(lambda: posted, 1, "the first hint")
    hints.add("NewInstance")
    wait_until(lambda: len(posted) == 2, 1, "the second hint")
    hints.stop()
    thread.join(2)
    assert posted[0] - started < 0.02
    assert 0.2 < posted[1] - posted[0] < 0.4


def test_memory_is_bounded_while_the_portal_is_away() -> None:
    hook = runpy.run_path(str(HOOK_SCRIPT))
    hints = hook["Hints"](None, 0.25, print)
    for number in range(hook["MAX_STUDIES_PENDING"] + 500):
        hints.add("NewInstance")
        hints.add("StableStudy", f"{number:040x}")
    events, *_ = hints._take()
    assert events[0] == {"type": "NewInstance", "count": hook["MAX_STUDIES_PENDING"] + 500}
    assert len(events) == 1 + hook["MAX_STUDIES_PER_HINT"]
    assert len(json.dumps({"source": "s" * 64, "events": events})) < 64 * 1024
    assert hints.pending() == hook["MAX_STUDIES_PENDING"] - hook["MAX_STUDIES_PER_HINT"]


def test_hundred_instances_make_few_hints(
    tmp_path: Path, orthanc: OrthancServer, receiver: Receiver
) -> None:
    paths = series(tmp_path, 100)
    started = time.monotonic()
    orthanc.storescu(paths)
    seconds = time.monotonic() - started
    wait_until(lambda: receiver.count("NewInstance") == 100, 10, "all 100 counted")
    hints = [hint for hint in receiver.hints if hint.events[0]["type"] == "NewInstance"]
    assert len(hints) <= 3 + seconds / 0.25
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(hints)]
    assert all(gap > 0.2 for gap in gaps)


def test_receiver_down_then_up(tmp_path: Path, orthanc: OrthancServer, receiver: Receiver) -> None:
    receiver.stop()
    orthanc.storescu(series(tmp_path, 5))
    wait_until(lambda: orthanc.json("/lightbox/hook")["failed"] > 0, 10, "a failure is counted")
    assert orthanc.json("/lightbox/hook")["pending"] >= 5
    receiver.start()
    wait_until(lambda: receiver.count("NewInstance") == 5, 15, "the hint arrives after all")
    state = orthanc.json("/lightbox/hook")
    assert state["lastError"] == ""
    assert SECRET not in json.dumps(state)


@pytest.mark.parametrize("status", [401, 409, 500, 503])
def test_error_answers_are_retried(
    tmp_path: Path, orthanc: OrthancServer, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    orthanc.storescu(series(tmp_path, 2))
    wait_until(lambda: orthanc.json("/lightbox/hook")["failed"] > 0, 10, "a failure is counted")
    receiver.status = 202
    wait_until(lambda: receiver.count("NewInstance") == 2, 15, "the hint arrives after all")


def test_redirect_is_no_success(tmp_path: Path, orthanc: OrthancServer, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, [("Location", "/login/")]
    orthanc.storescu(series(tmp_path, 1))
    wait_until(lambda: orthanc.json("/lightbox/hook")["failed"] > 0, 10, "a failure is counted")
    assert orthanc.json("/lightbox/hook")["sent"] == 1  # the one at the start
    receiver.status, receiver.headers = 202, []
    wait_until(lambda: receiver.count("NewInstance") == 1, 15, "the hint arrives after all")


def test_refused_body_is_given_up_and_the_next_one_goes_out(
    tmp_path: Path, orthanc: OrthancServer, receiver: Receiver
) -> None:
    receiver.status = 400
    orthanc.storescu(series(tmp_path, 2, seed=1))
    wait_until(lambda: orthanc.json("/lightbox/hook")["failed"] > 0, 10, "a failure is counted")
    receiver.status = 202
    orthanc.storescu(series(tmp_path, 4, seed=2))
    wait_until(lambda: receiver.count("NewInstance") >= 4, 10, "the next hint")


def test_hanging_receiver_neither_blocks_nor_slows_c_store(
    tmp_path: Path, orthanc: OrthancServer, receiver: Receiver
) -> None:
    def seconds_to_send(seed: int) -> float:
        paths = series(tmp_path, 100, seed)
        started = time.monotonic()
        orthanc.storescu(paths)
        return time.monotonic() - started

    undisturbed = seconds_to_send(1)
    receiver.hang = threading.Event()
    hanging = seconds_to_send(2)
    assert orthanc.count_instances() == 200
    assert hanging < 2 * undisturbed + 1
    assert orthanc.rest("GET", "/system", timeout=2)[0] == 200
    receiver.hang.set()
    receiver.hang = None
    wait_until(lambda: receiver.count("NewInstance") >= 200, 20, "the hint arrives after all")


def test_orthanc_stops_quickly_while_the_receiver_hangs(
    tmp_path: Path, orthanc: OrthancServer, receiver: Receiver
) -> None:
    receiver.hang = threading.Event()
    orthanc.storescu(series(tmp_path, 3))
    started = time.monotonic()
    orthanc.stop()
    assert time.monotonic() - started < 9


def test_orthanc_runs_without_a_secret(tmp_path: Path, receiver: Receiver) -> None:
    server = OrthancServer(tmp_path / "bare", hook_url=receiver.url, secret="")
    with server:
        server.storescu(series(tmp_path, 2))
        assert server.count_instances() == 2
        assert "Lightbox.SecretFile" in server.child.tail(400)
    assert receiver.hints == []


def test_unroutable_portal_does_not_stop_the_start(tmp_path: Path) -> None:
    with socket.socket() as silent:  # accepts and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with OrthancServer(tmp_path / "orthanc", hook_url=url, secret=SECRET) as server:
            server.storescu(series(tmp_path, 2))
            assert server.count_instances() == 2
