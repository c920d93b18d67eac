"""Messages between the portal's process and its decoder: a JSON line and the bytes it announces."""

from __future__ import annotations

import json
from typing import IO, Any, Final

MAX_BODY: Final = 600 << 20


def send(stream: IO[bytes], head: dict[str, Any], body: bytes = b"") -> None:
    """Write one message."""
    stream.write(json.dumps({**head, "length": len(body)}).encode() + b"\n" + body)
    stream.flush()


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
