"""A private PostgreSQL cluster in a temporary folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.servers import migrated
from tests.servers.child import ChildServer, require
from tests.servers.ports import free_port, wait_until

ACCOUNT = "postgres"


class PostgresServer:
    """Trusts everybody on 127.0.0.1; durable writes are off, this is throw-away data.

    `migrated`: it begins as a portal's database with every migration applied.
    """

    def __init__(self, *, migrated: bool = False) -> None:
        self.migrated = migrated
        self.port = free_port()
        # Not under pytest's folder: that is closed to other accounts, and root cannot run it.
        self.folder = Path(tempfile.mkdtemp(prefix="lightbox-postgres-"))
        self.child = ChildServer(self.folder / "postgres.log")

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """For DATABASE_URL."""
        return f"postgresql://{ACCOUNT}@127.0.0.1:{self.port}/postgres"

    def _binary(self, name: str) -> str:
        versions = sorted(
            Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
        )
        return require(name, *(str(path) for path in reversed(versions)))

    def _run(self, *command: str) -> None:
        root = os.getuid() == 0
        done = subprocess.run(
            command,
            user=ACCOUNT if root else None,
            group=ACCOUNT if root else None,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"

    def start(self) -> None:
        if os.getuid() == 0:
            shutil.chown(self.folder, ACCOUNT, ACCOUNT)
        data = self.folder / "data"
        if not data.exists() and self.migrated:
            shutil.copytree(migrated.once("postgres", _make_migrated), data)
            self._own(data)
        elif not data.exists():
            self._run(
                self._binary("initdb"), "-D", str(data), "-U", ACCOUNT, "-A", "trust",
                "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
            )  # fmt: skip
        server = [
            self._binary("postgres"),
            "-D",
            str(data),
            "-p",
            str(self.port),
            "-k",
            str(self.folder),
        ]
        settings = ["-h", "127.0.0.1", "-F", "-c", "synchronous_commit=off"]
        self.child.launch([*server, *settings], user=ACCOUNT, cwd=self.folder)
        wait_until(self._answers, 30, "PostgreSQL starts")

    @staticmethod
    def _own(data: Path) -> None:
        data.chmod(0o700)
        if os.getuid() == 0:
            for path in (data, *data.rglob("*")):
                shutil.chown(path, ACCOUNT, ACCOUNT)

    def _answers(self) -> bool:
        assert self.child.running, f"PostgreSQL ended:\n{self.child.tail()}"
        probe = [self._binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(probe, check=False).returncode == 0

    def restart(self) -> None:
        """Every connection breaks; the data stays."""
        self.child.end(signal.SIGINT)
        self.start()

    def stop(self) -> None:
        """End at once (SIGQUIT) and remove the cluster."""
        self.child.end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


def _make_migrated(draft: Path) -> None:
    """The files of a cluster that was stopped in order."""
    server = PostgresServer()
    server.start()
    try:
        with tempfile.TemporaryDirectory() as data_dir:
            migrated.migrate(Path(data_dir), DATABASE_URL=server.url)
        server.child.end(signal.SIGINT)
        shutil.copytree(server.folder / "data", draft)
    finally:
        server.stop()
