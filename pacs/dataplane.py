"""The production shape's data plane: `python -m pacs.dataplane --port 8001 --workers 2`."""

from __future__ import annotations

import argparse

import uvicorn

KEEP_ALIVE_SECONDS = 75


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pacs.dataplane", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--uds", default=None, help="a Unix socket instead")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    uvicorn.run(
        "pacs.asgi:application",
        host=chosen.host,
        port=chosen.port,
        uds=chosen.uds,
        workers=chosen.workers,
        access_log=False,  # queries hold names
        server_header=False,
        proxy_headers=False,  # the portal reads them itself, as PACS_TRUSTED_PROXIES says
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


if __name__ == "__main__":
    main()
