"""The production shape's data plane beside a stack: uvicorn processes on one port."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request

from tests.servers.child import ChildServer
from tests.servers.ports import free_port
from tests.servers.stack import CHECKOUT, Stack


class DataPlaneProcesses:
    """`count` uvicorn processes that share a port, the stack's database and its archive."""

    def __init__(self, stack: Stack, count: int = 2) -> None:
        self.port = free_port()
        self._stack = stack
        self._count = count
        self.child = ChildServer(stack.data_dir / f"uvicorn-{self.port}.log")

    def __enter__(self) -> DataPlaneProcesses:
        command = [sys.executable, "-m", "pacs.dataplane", "--port", str(self.port)]
        command += ["--workers", str(self._count)]
        self.child.launch(command, env=self._stack.variables(), cwd=CHECKOUT)
        self._wait(60)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.child.end()

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            try:
                with opener.open(f"http://127.0.0.1:{self.port}/dicom-web/studies", timeout=10):
                    return
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 401:
                        return
            except OSError:
                pass
            if not self.child.running or time.monotonic() > deadline:
                raise AssertionError(f"uvicorn does not answer:\n{self.child.tail()}")
            time.sleep(0.1)
