"""What no sender should send, by real sockets, to Daphne and to uvicorn.

After each: an answer or a closed connection in time, nothing in the spool directory, no file or
socket left open, and the next image is stored.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.dicom.hostile import deflate_bomb
from tests.dicomweb.asking import ct_file
from tests.servers.portal import Portal, wait
from tests.servers.uvicorn import DataPlaneProcesses

pytestmark = pytest.mark.integration

BOUNDARY = "hostile-boundary"
KIND = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
TEN_GB = 10 * 2**30


@dataclass
class Answer:
    status: int
    body: bytes
    seconds: float
    sent: int
    """Bytes of the body that went out."""


@dataclass
class Server:
    """One web server of the portal."""

    portal: Portal
    port: int
    pid: int

    def ask(
        self,
        pieces: Iterable[bytes] = (),
        *,
        who: str | None = "technician",
        path: str = "/dicom-web/studies",
        length: int | None = None,
        seconds: float = 30,
        **headers: str,
    ) -> Answer:
        """POST by a bare socket: a body of `length`, or chunked. Status 0 where none comes."""
        sent_headers = {"Host": "localhost", "Content-Type": KIND}
        sent_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        if who:
            sent_headers["Authorization"] = f"Bearer {self.portal.tokens[who]}"
        if length is None:
            sent_headers["Transfer-Encoding"] = "chunked"
        else:
            sent_headers["Content-Length"] = str(length)
        head = "".join(f"{name}: {value}\r\n" for name, value in sent_headers.items() if value)
        start, sent = time.monotonic(), 0
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as plug:
            plug.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode())
            with suppress(BrokenPipeError, ConnectionResetError):
                for piece in pieces:
                    plug.sendall(
                        piece if length is not None else b"%x\r\n%s\r\n" % (len(piece), piece)
                    )
                    sent += len(piece)
                if length is None:
                    plug.sendall(b"0\r\n\r\n")
            text = _answer(plug)
        while text.startswith(b"HTTP/1.1 100"):
            text = text.partition(b"\r\n\r\n")[2]
        status = int(text.split(b" ", 2)[1]) if text else 0
        return Answer(status, text.partition(b"\r\n\r\n")[2], time.monotonic() - start, sent)

    def post(self, body: bytes, **options: object) -> Answer:
        pieces = [body[n : n + 65536] for n in range(0, len(body), 65536)]
        return self.ask(pieces, length=len(body), **options)  # type: ignore[arg-type]

    def open_things(self) -> tuple[int, int]:
        """Files without a name, and sockets, that the process has open."""
        targets = []
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            with suppress(OSError):
                targets.append(os.readlink(f"/proc/{self.pid}/fd/{name}"))
        spooled = [t for t in targets if "/incoming/" in t or ("deleted" in t and "/tmp" in t)]
        return len(spooled), sum(target.startswith("socket:") for target in targets)


def _answer(plug: socket.socket) -> bytes:
    """The answer with its body, or what came until the connection closed."""
    text = b""
    with suppress(ConnectionResetError, TimeoutError):
        while True:
            head, end, body = text.partition(b"\r\n\r\n")
            if end and head.startswith(b"HTTP/1.1 100"):
                text = body
                continue
            length = [
                int(line.partition(b":")[2])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ]
            if end and length and len(body) >= length[0]:
                return text
            if not (piece := plug.recv(65536)):
                return text
            text += piece
    return text


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    portal: Portal = request.getfixturevalue("portal")
    if request.param == "daphne":
        yield Server(portal, portal.stack.port, portal.stack.pid("web"))
        return
    with DataPlaneProcesses(portal.stack, count=1) as processes:
        assert processes.child.process
        yield Server(portal, processes.port, processes.child.process.pid)


@pytest.fixture(autouse=True)
def _sound_afterwards(server: Server) -> Iterator[None]:
    server.post(message(ct_file()))  # what a first request opens stays open
    time.sleep(0.1)
    before = server.open_things()
    yield
    spool = server.portal.stack.data_dir / "incoming"
    assert not spool.exists() or not list(Path(spool).iterdir())
    answer = server.post(message(ct_file(instance="")))
    assert answer.status == 200, answer
    wait(lambda: server.open_things()[0] == 0, 10, "no spool file open")
    wait(lambda: server.open_things()[1] <= before[1], 10, "no socket left open")


def message(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    text = b"".join(
        b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (boundary.encode(), part)
        for part in parts
    )
    return text + b"--%s--\r\n" % boundary.encode()


HEAD = b"--hostile-boundary\r\nContent-Type: application/dicom\r\n\r\n"
BROKEN = {
    "wrong boundary": lambda: message(ct_file(), boundary="another"),
    "part without an end": lambda: HEAD + ct_file(),
    "delimiter cut": lambda: message(ct_file()).removesuffix(b"--\r\n"),
    "header without an end": lambda: b"--hostile-boundary\r\nContent-Type: application/dicom",
    "header of 1 MB": lambda: b"--hostile-boundary\r\nX: " + b"x" * 2**20 + b"\r\n\r\nx\r\n",
    "LF instead of CR LF": lambda: message(ct_file()[:100]).replace(b"\r\n", b"\n"),
    "empty": lambda: b"",
    "no part": lambda: b"--hostile-boundary--\r\n",
    "long preamble": lambda: b"x" * 2**20 + b"\r\n" + message(ct_file()),
    "long epilogue": lambda: b"--hostile-boundary--\r\n" + b"x" * 2**20,
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_bodies_are_400(server: Server, case: str) -> None:
    answer = server.post(BROKEN[case]())
    assert answer.status == 400, answer
    assert answer.body.endswith(b".\n")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": 'multipart/related; type="application/dicom"'}, 400),
        ({"Content_Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content_Type": ""}, 415),
        ({"Accept": "application/dicom+xml"}, 406),
        ({"path": "/dicom-web/sites/north/studies"}, 404),
        ({"X_Lightbox_Site": "north"}, 403),
        ({"who": None}, 401),
        ({"who": None, "Authorization": "Bearer wrong"}, 401),
        ({"who": None, "Authorization": "Basic !!"}, 401),
        ({"who": None, "path": "/api/dicom/upload"}, 401),
    ],
)
@pytest.mark.parametrize("expect", ["", "100-continue"])
def test_refused_before_the_body_is_sent(
    server: Server, headers: dict[str, str], status: int, expect: str
) -> None:
    answer = server.ask([], length=TEN_GB, Expect=expect, **headers)  # type: ignore[arg-type]
    assert answer.status == status
    assert answer.seconds < 2


def test_refused_while_it_sends_the_body(server: Server) -> None:
    """A client that sends all before it reads still sees why, if what it sends is not endless."""
    assert server.post(bytes(20 * 2**20), who=None).status == 401


def test_endless_body_of_nobody_is_cut(server: Server) -> None:
    answer = server.ask((bytes(2**20) for _ in range(2000)), who=None, length=TEN_GB)
    assert answer.status in {0, 401}
    assert answer.sent < 500 * 2**20
    assert answer.seconds < 15


def test_token_without_write_scope(server: Server) -> None:
    secret = server.portal.stack.shell(
        "from pacs.accounts.models import ApiToken, User\n"
        "print(ApiToken.issue(User.objects.get(username='technician'), 'r', scopes=['read'])[1])"
    ).strip()
    answer = server.ask([], who=None, length=TEN_GB, Authorization=f"Bearer {secret}")
    assert answer.status == 403


def test_ten_gigabytes_announced_and_one_kilobyte_sent(server: Server) -> None:
    answer = server.ask([HEAD + bytes(900)], length=TEN_GB)
    assert answer.status == 408
    assert answer.seconds < 15
    single = server.ask([bytes(900)], length=2 * 2**30, Content_Type="application/dicom")
    assert single.status == 408


def test_file_above_the_limit_is_refused_unread(server: Server) -> None:
    answer = server.ask(
        [], length=TEN_GB, path="/api/dicom/upload", Content_Type="application/dicom"
    )
    assert answer.status == 413
    assert answer.seconds < 2


@pytest.mark.parametrize("chunked", [False, True])
def test_one_byte_a_second_is_cut_off(server: Server, chunked: bool) -> None:
    def drip() -> Iterator[bytes]:
        for _ in range(60):
            yield b"-"
            time.sleep(1)

    answer = server.ask(drip(), length=None if chunked else TEN_GB)
    assert answer.status in {0, 408}
    assert answer.seconds < 20


def test_client_gone_in_the_middle(server: Server) -> None:
    body = HEAD + bytes(3 * 2**20)
    head = (
        "POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {server.portal.tokens['technician']}\r\n"
        f"Content-Type: {KIND}\r\nContent-Length: {TEN_GB}\r\n\r\n"
    )
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plug:
            plug.sendall(head.encode() + body)
            time.sleep(0.2)


def test_expect_100_continue(server: Server) -> None:
    body = message(ct_file(instance=""))
    assert server.post(body, Expect="100-continue").status == 200


def test_parts_that_are_none(server: Server) -> None:
    nested = b"--in\r\nContent-Type: application/dicom\r\n\r\n" + ct_file() + b"\r\n--in--"
    body = (
        b"--hostile-boundary\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"
        + nested
        + b"\r\n"
        + message(b"", ct_file(instance=""))
    )
    answer = server.post(body)
    assert answer.status == 202
    assert set(json.loads(answer.body)) == {"00081190", "00081199", "0008119A"}


def test_preamble_and_epilogue_are_ignored(server: Server) -> None:
    body = b"This is a message in MIME format.\r\n" + message(ct_file(instance=""))
    assert server.post(body + b"and what follows").status == 200


def test_ten_thousand_empty_parts(server: Server) -> None:
    answer = server.post(message(*[b""] * 10_000))
    assert answer.status == 409
    assert len(json.loads(answer.body)["0008119A"]["Value"]) == 10_000


def test_deflate_bomb(server: Server) -> None:
    answer = server.post(message(deflate_bomb()))
    assert answer.status == 409
    assert json.loads(answer.body)["0008119A"]["Value"][0]["00081197"]["Value"] == [0xC000]


def test_path_in_a_content_location(server: Server, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    body = message(ct_file(instance="")).replace(
        b"\r\n\r\n", f"\r\nContent-Location: ../../../..{evil}\r\n\r\n".encode(), 1
    )
    assert server.post(body).status == 200
    assert not evil.exists()


def test_memory_is_flat(server: Server) -> None:
    """400 MB in one request, chunked, and no more than a part of it in memory."""
    before = _peak(server.pid)
    big = [ct_file(instance="", size=2048, seed=seed) for seed in range(4)]

    def pieces() -> Iterator[bytes]:
        for number in range(50):
            yield HEAD
            file = big[number % 4]
            for at in range(0, len(file), 100_000):
                yield file[at : at + 100_000]
            yield b"\r\n"
        yield b"--hostile-boundary--\r\n"

    answer = server.ask(pieces(), seconds=120)
    assert answer.status == 200, answer
    assert _peak(server.pid) - before < 200 * 2**20


def _peak(pid: int) -> int:
    """VmHWM in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")
