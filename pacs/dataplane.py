"""The production shape's data plane: `python -m pacs.dataplane --port 8001 --workers 2`.

uvicorn's own command, but for one thing: its workers share a socket without TCP_NODELAY, so that
every short answer waits 40 ms for the client's delayed acknowledgement. Accepted sockets inherit
the option from the one that listens.
"""

from __future__ import annotations

import argparse
import socket

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess

KEEP_ALIVE_SECONDS = 75


def listening(config: uvicorn.Config) -> socket.socket:
    """The socket that all workers accept from."""
    bound = config.bind_socket()
    if bound.family in {socket.AF_INET, socket.AF_INET6}:
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pacs.dataplane", description=__doc__)
    where = parser.add_argument_group("where it listens")
    where.add_argument("--host", default="127.0.0.1")
    where.add_argument("--port", type=int, default=8001)
    where.add_argument("--uds", default=None, help="a Unix socket instead")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    config = uvicorn.Config(
        "pacs.asgi:application",
        host=chosen.host,
        port=chosen.port,
        uds=chosen.uds,
        workers=chosen.workers,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ws_max_size=1 << 20,
    )
    bound = listening(config)
    if chosen.workers > 1:
        Multiprocess(config, sockets=[bound]).run()
    else:
        uvicorn.Server(config).run(sockets=[bound])


if __name__ == "__main__":
    main()
