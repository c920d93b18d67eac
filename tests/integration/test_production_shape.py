"""The second shape: the whole product on PostgreSQL and Redis, with two web processes."""

from __future__ import annotations

import hashlib
import hmac
import http.cookiejar
import json
import re
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydicom import dcmread
from redis import Redis
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from tests.dicomweb.asking import FRAMES_ACCEPT, Reply
from tests.servers.child import ChildServer
from tests.servers.portal import Portal, wait
from tests.servers.ports import free_port, listens, wait_until
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.stack import CHECKOUT, Stack

pytestmark = pytest.mark.integration


@dataclass
class Shape:
    """The servers, the portal on them, and the ports of both web processes."""

    portal: Portal
    postgres: PostgresServer
    redis: RedisServer
    ports: tuple[int, int]

    def sql(self, statement: str) -> list[Any]:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[call-overload]

    @contextmanager
    def listening(self, who: str = "radiologist") -> Iterator[list[ClientConnection]]:
        """A greeted socket of the worklist at each web process."""
        header = {"Authorization": f"Bearer {self.portal.tokens[who]}"}
        with ExitStack() as stack:
            sockets = []
            for port in self.ports:
                address = f"ws://127.0.0.1:{port}/ws/worklist/"
                socket = stack.enter_context(connect(address, additional_headers=header))
                assert json.loads(socket.recv(10))["type"] == "hello"
                sockets.append(socket)
            yield sockets


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shape]:
    folder = tmp_path_factory.mktemp("production-shape")
    web = ChildServer(folder / "web2.log")
    with PostgresServer(migrated=True) as postgres, RedisServer(folder / "redis") as redis:
        urls = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
        with Stack(folder / "data", env={**urls, "PACS_QUIET_SECONDS": "2"}) as stack:
            port = free_port()
            endpoint = f"tcp:port={port}:interface=127.0.0.1:backlog=4096"
            daphne = ["-m", "daphne", "-e", endpoint, "-v", "0"]
            web.launch(
                [sys.executable, *daphne, "pacs.asgi:application"],
                env=stack.variables(),
                cwd=CHECKOUT,
            )
            try:
                portal = Portal(stack)
                wait_until(lambda: listens(port), 30, "the second web process listens")
                yield Shape(portal, postgres, redis, (stack.port, port))
            finally:
                web.end()
    shutil.rmtree(folder, ignore_errors=True)


def next_event(socket: ClientConnection, study: int, seconds: float = 8) -> dict[str, Any]:
    """The first event of a study. A heartbeat would mean that the channel layer brought nothing."""
    deadline = time.monotonic() + seconds
    while True:
        event = json.loads(socket.recv(max(0.01, deadline - time.monotonic())))
        assert event["type"] != "heartbeat", "the channel layer brought nothing"
        if event.get("study") == study:
            return event


def study_pk(shape: Shape, uid: str) -> int:
    rows = shape.sql(f"SELECT id FROM studies_study WHERE study_instance_uid = '{uid}'")
    return int(rows[0][0])


def same_as_orthanc(shape: Shape, files: list[Path]) -> bool:
    """Every file is in the archive, once, with the bytes that Orthanc holds."""
    archived, held = shape.portal.archived(), shape.portal.orthanc_hashes()
    uids = [str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in files]
    assert [archived[uid] for uid in uids] == [held[uid] for uid in uids]
    repeated = shape.sql(
        "SELECT sop_instance_uid FROM studies_instance GROUP BY 1 HAVING count(*) > 1"
    )
    return len(set(uids)) == len(files) and repeated == []


def test_both_web_processes_tell_what_the_worker_stored(
    shape: Shape, series: Callable[..., tuple[list[Path], str]]
) -> None:
    files, uid = series(6)
    with shape.listening() as ours, shape.listening("stranger") as theirs:
        shape.portal.stack.storescu(files)
        shape.portal.wait_count(uid, 6)
        study = study_pk(shape, uid)
        with Redis.from_url(shape.redis.url) as redis:
            assert redis.keys("asgi:*"), "the channel layer is not in Redis"
            assert redis.keys("_kombu.binding.*"), "the broker is not in Redis"
        for socket in ours:
            assert next_event(socket, study)["type"] == "study.received"
        for socket in theirs:
            with pytest.raises(TimeoutError):
                socket.recv(0.3)
    assert same_as_orthanc(shape, files)
    assert not list(shape.portal.stack.data_dir.glob("*.sqlite3"))
    wait(lambda: shape.sql(f"SELECT arrival FROM studies_study WHERE id = {study}") == [("quiet",)],
         20, "quiet", shape.portal)  # fmt: skip


def test_a_socket_on_which_nothing_happens_stays(shape: Shape) -> None:
    with shape.listening() as sockets:
        until = time.monotonic() + 14
        while time.monotonic() < until:
            for socket in sockets:
                with suppress(TimeoutError):
                    socket.recv(1)  # raises where the server has ended it


def test_worklist_pages(shape: Shape, series: Callable[..., tuple[list[Path], str]]) -> None:
    files, uid = series(2, patient_name="Second^Shape", patient_id="SHAPE-2")
    shape.portal.stack.storescu(files)
    shape.portal.wait_count(uid, 2)
    study = study_pk(shape, uid)
    for who, port, sees in (
        ("radiologist", shape.ports[0], True),
        ("radiologist", shape.ports[1], True),
        ("stranger", shape.ports[1], False),
    ):
        get = log_in(port, who)
        status, text = get("/worklist/table/")
        assert status == 200
        assert ("Second, Shape" in text) is sees
        assert get(f"/worklist/row/{study}/")[0] == (200 if sees else 204)
        assert get(f"/studies/{study}/view/")[0] == (200 if sees else 404)


def log_in(port: int, who: str) -> Callable[[str], tuple[int, str]]:
    """A browser's cookies at a web process, through the login page; asks for status and text."""
    base = f"http://127.0.0.1:{port}"
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
    )

    def get(path: str, data: bytes | None = None) -> tuple[int, str]:
        try:
            with opener.open(f"{base}{path}", data, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', get("/login/")[1])
    assert token
    form = {"csrfmiddlewaretoken": token[1], "username": who, "password": "a-long-enough-password"}
    status, text = get("/login/", urllib.parse.urlencode(form).encode())
    assert status == 200
    assert "Log in ·" not in text
    return get


def test_dicomweb(shape: Shape, series: Callable[..., tuple[list[Path], str]]) -> None:
    portal = shape.portal
    files, uid = series(4, patient_id="SHAPE-WADO")
    portal.stack.storescu(files)
    portal.wait_count(uid, 4)
    assert [study["0020000D"]["Value"] for study in portal.studies(PatientID="SHAPE-WADO")] == [
        [uid]
    ]
    study = f"/dicom-web/studies/{uid}"
    status, body, _ = portal.request("GET", f"{study}/metadata")
    assert status == 200
    metadata = {item["00080018"]["Value"][0]: item for item in json.loads(body)}
    assert len(metadata) == 4
    for path in files:
        dataset = dcmread(path)
        pixels = dataset.PixelData
        del dataset.PixelData
        sent = metadata[str(dataset.SOPInstanceUID)]
        expected = dataset.to_json_dict()
        assert {tag: sent[tag] for tag in expected} == expected
        frame = (
            f"{study}/series/{dataset.SeriesInstanceUID}"
            f"/instances/{dataset.SOPInstanceUID}/frames/1"
        )
        status, body, headers = portal.request("GET", frame, headers={"Accept": FRAMES_ACCEPT})
        assert status == 200
        assert [part.body for part in Reply(status, headers, body).parts] == [pixels]
        assert portal.request("GET", frame, who="stranger")[0] == 404
        assert portal.request("GET", frame, who=None)[0] == 401
    assert portal.request("GET", f"{study}/metadata", who="stranger")[0] == 404
    assert portal.request("GET", "/dicom-web/studies", who=None)[0] == 401
    assert portal.count(uid, who="stranger") == 0


def test_a_hint_makes_the_follower_look(shape: Shape) -> None:
    stack = shape.portal.stack
    followed = "SELECT last_contact_at FROM studies_orthancserver WHERE slug = 'local'"
    before = shape.sql(followed)
    body, stamp = json.dumps({"source": "local", "events": []}).encode(), str(int(time.time()))
    digest = hmac.new(stack.hook_secret.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "X-Orthanc-Server": "local",
        "X-Orthanc-Timestamp": stamp,
        "X-Orthanc-Signature": f"sha256={digest.hexdigest()}",
    }
    hook = "/api/orthanc/webhook/"
    wrong = {**headers, "X-Orthanc-Signature": "sha256=" + "0" * 64}
    assert shape.portal.request("POST", hook, who=None, body=body, headers=wrong)[0] == 401
    assert shape.portal.request("POST", hook, who=None, body=body, headers=headers)[0] == 202
    wait_until(lambda: shape.sql(followed) != before, 4, "the follower looked")


def test_the_audit_trail_is_append_only(shape: Shape) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        shape.sql("DELETE FROM audit_auditevent RETURNING id")
    actions = {row[0] for row in shape.sql("SELECT action FROM audit_auditevent")}
    assert {"study.opened", "study.searched"} <= actions


@pytest.mark.parametrize("victim", ["follow", "worker"])
def test_kill_9_in_mid_transfer_loses_nothing(
    shape: Shape, series: Callable[..., tuple[list[Path], str]], victim: str
) -> None:
    portal = shape.portal
    files, uid = series(40, size=256)
    sending = portal.stack.start_storescu(files)
    wait(lambda: sending.poll() is not None or portal.count(uid) > 0, 20, "first image", portal)
    old = portal.stack.kill(victim)
    assert sending.wait(60) == 0
    portal.stack.wait_restarted(victim, old)
    portal.wait_count(uid, 40, 60)
    assert same_as_orthanc(shape, files)


def test_servers_that_restart_are_found_again(
    shape: Shape, series: Callable[..., tuple[list[Path], str]]
) -> None:
    """Redis comes back empty, PostgreSQL with its data; nobody restarts the portal."""
    with shape.listening() as sockets:
        shape.redis.stop()
        shape.redis.start()
        for socket in sockets:  # it has lost its groups: the browser connects again
            with pytest.raises(ConnectionClosedError):
                socket.recv(8)
    shape.postgres.restart()
    shape.portal.stack.wait_healthy(30)
    files, uid = series(2)
    shape.portal.stack.storescu(files)
    shape.portal.wait_count(uid, 2, 40)  # a follower that was cut off holds its lease for 15 s
    files, uid = series(5)
    with shape.listening() as sockets:
        shape.portal.stack.storescu(files)
        shape.portal.wait_count(uid, 5, 20)
        for socket in sockets:
            assert next_event(socket, study_pk(shape, uid))["type"] == "study.received"
    assert same_as_orthanc(shape, files)
