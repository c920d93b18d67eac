"""A site agent as a process of its own, and what a test asks of it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from tests.servers.child import ChildServer
from tests.servers.ports import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]


class RunningAgent:
    """`python -m agents.site` with its state in `folder`. Keeps its state over restarts.

    `portal_url` with plain http works for this machine only. `sections` is further TOML.
    """

    def __init__(
        self,
        folder: Path,
        portal_url: str,
        *,
        key: str = "lba_none",
        upload_token: str = "",
        portal: str = "",
        sections: str = "",
        reconnect: int = 1,
    ) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "agent.toml"
        for name, value in (("key", key), ("token", upload_token)):
            (folder / name).write_text(value)
            (folder / name).chmod(0o600)
        token = f'upload_token_file = "{folder}/token"\n' if upload_token else ""
        self.config.write_text(
            f'[agent]\nstate_dir = "{self.state_dir}"\n\n'
            f'[portal]\nurl = "{portal_url}"\napi_key_file = "{folder}/key"\n'
            f"reconnect_max_seconds = {reconnect}\n{token}{portal}\n"
            f"{sections}\n"
        )
        self.child = ChildServer(folder / "agent.log")

    def __enter__(self) -> RunningAgent:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def command(self, *more: str) -> list[str]:
        return [
            *(sys.executable, "-m", "agents.site", "--config", str(self.config)),
            *("--insecure-localhost", *more),
        ]

    def start(self) -> None:
        self.child.launch(self.command(), env=dict(os.environ), cwd=CHECKOUT)

    def stop(self) -> None:
        self.child.end(signal.SIGTERM, 30)

    def kill(self) -> None:
        """As a power failure would."""
        self.child.end(signal.SIGKILL)

    @property
    def log(self) -> str:
        return self.child.tail(400)

    def audit(self) -> list[dict[str, Any]]:
        path = self.state_dir / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def states(self) -> dict[str, int]:
        """Number of files in the ledger by state."""
        path = self.state_dir / "agent.sqlite3"
        if not path.exists():
            return {}
        connection = sqlite3.connect(path, timeout=10)
        try:
            return dict(
                connection.execute("SELECT state, count(*) FROM files GROUP BY state").fetchall()
            )
        except sqlite3.OperationalError:
            return {}
        finally:
            connection.close()

    def wait_states(self, seconds: float = 60, **wanted: int) -> None:
        """Until the ledger holds exactly that."""
        try:
            wait_until(lambda: self.states() == wanted, seconds, f"{wanted}")
        except AssertionError:
            raise AssertionError(f"{self.states()} is not {wanted}\n{self.log}") from None

    def wait_log(self, words: str, seconds: float = 20) -> None:
        try:
            wait_until(lambda: words in self.log, seconds, words)
        except AssertionError:
            raise AssertionError(f"{words!r} is not in the log:\n{self.log}") from None


def folder_section(path: Path, **options: Any) -> str:
    """A `[[folders]]` for a test, quick to settle."""
    path.mkdir(parents=True, exist_ok=True)
    values = {
        "name": path.name,
        "path": str(path),
        "settle_seconds": 0.3,
        "scan_seconds": 2.0,
        **{key: str(value) if isinstance(value, Path) else value for key, value in options.items()},
    }
    return "[[folders]]\n" + "".join(
        f"{key} = {json.dumps(each)}\n" for key, each in values.items()
    )
