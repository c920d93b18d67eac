"""A private server that speaks MongoDB's protocol (SecantusDB), in a temporary folder."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.servers.child import ChildServer
from tests.servers.ports import free_port, listens, wait_until


class MongoServer:
    """Keeps what it acknowledged over `kill` and `start`, on the same port."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.child = ChildServer(folder / "mongo.log")

    def __enter__(self) -> MongoServer:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def url(self, database: str = "lightbox") -> str:
        """For MONGODB_URL."""
        return f"mongodb://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        program = Path(sys.executable).parent / "secantusd-py"
        assert program.exists(), "secantusdb is not installed: pip install -r requirements-dev.txt"
        place = ["--host", "127.0.0.1", "--port", str(self.port)]
        store = ["--storage-path", str(self.folder / "data"), "--cache-size", "256M"]
        self.child.launch([program, *place, *store, "--sync-on-commit"], cwd=self.folder)
        wait_until(self._answers, 30, "the MongoDB server starts")

    def _answers(self) -> bool:
        assert self.child.running, f"The MongoDB server ended:\n{self.child.tail()}"
        return listens(self.port)

    def kill(self) -> None:
        """As if the machine lost its power."""
        self.child.end(signal.SIGKILL)

    def stop(self) -> None:
        self.child.end(signal.SIGTERM)
