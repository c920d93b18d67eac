"""Free TCP ports, and waiting for one to answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

_given: set[int] = set()


def free_port() -> int:
    """A port that nothing listens on and that this process was not given before.

    Below 32768, so that no outgoing connection takes it between now and its use.
    """
    for _ in range(1000):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = 10000 + (int(probe.getsockname()[1]) * 7919) % 22000
        if port in _given:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free port found")


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll `condition` every 20 ms; AssertionError naming `what` when it stays false."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Does something accept connections on `port`?"""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
