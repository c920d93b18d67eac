"""A server process of a test: its log, its end."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def require(command: str, *folders: str) -> str:
    """Path of `command`; a missing server fails the test, it never skips it.

    The interpreter's own folder is left out: pynetdicom puts a `storescp` of its own there.
    """
    own = str(Path(sys.executable).parent)
    places = [one for one in os.environ.get("PATH", "").split(os.pathsep) if one != own]
    found = shutil.which(command, path=os.pathsep.join([*places, *folders]))
    if not found:
        raise AssertionError(
            f"{command} is not installed: run deploy/local/install-test-servers.sh"
        )
    return found


class ChildServer:
    """Runs one command in a session of its own; its output goes to `log`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def launch(
        self,
        command: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start it; `env` replaces the whole environment, `user` counts only for root."""
        assert self.process is None, "already running"
        account = pwd.getpwnam(user) if user and os.getuid() == 0 else None
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def tail(self, lines: int = 60) -> str:
        """The end of the log, for failure messages."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def end(self, number: int = signal.SIGTERM, seconds: float = 15) -> None:
        """Signal the process, wait for its end, then kill whatever is left of its group."""
        if self.process is None:
            return
        process, self.process = self.process, None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
