"""Messages between the portal's process and its decoder: a JSON line and the bytes it announces."""

from __future__ import annotations

import json
import os
import select
import time
from typing import IO, Any, Final

MAX_BODY: Final = 600 << 20
PIPE: Final = 1 << 20


def send(stream: IO[bytes], head: dict[str, Any], body: bytes = b"") -> None:
    """Write one message."""
    stream.write(json.dumps({**head, "length": len(body)}).encode() + b"\n" + body)
    stream.flush()


def receive_before(descriptor: int, until: float) -> tuple[dict[str, Any], bytes]:
    """Read one message from a pipe by a moment of time.monotonic(); TimeoutError after it,
    EOFError where the other side is gone."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)

    def read() -> bytes:
        left = until - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            raise TimeoutError
        piece = os.read(descriptor, PIPE)
        if not piece:
            raise EOFError
        return piece

    line = read()
    while b"\n" not in line:
        line += read()
        if len(line) > PIPE:
            raise EOFError
    line, _, first = line.partition(b"\n")
    head = json.loads(line)
    missing = head["length"] - len(first)
    if not 0 <= head["length"] <= MAX_BODY or missing < 0:
        raise EOFError
    pieces = [first]
    while missing:
        pieces.append(read())
        missing -= len(pieces[-1])
        if missing < 0:
            raise EOFError
    return head, b"".join(pieces)


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read one message; EOFError where the other side is gone."""
    line = stream.readline(65536)
    if not line.endswith(b"\n"):
        raise EOFError
    head = json.loads(line)
    length = head["length"]
    if not 0 <= length <= MAX_BODY:
        raise EOFError
    body = stream.read(length)
    if len(body) != length:
        raise EOFError
    return head, body
