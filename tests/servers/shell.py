"""Python inside of a running stack's Django: one process that stays; each start takes long."""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = 180


class Shell:
    """Runs code with an environment; begins anew where that changes or the process is gone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._env: dict[str, str] = {}

    def run(self, code: str, env: Mapping[str, str]) -> str:
        """What the code prints. AssertionError with its traceback where it fails."""
        if self._process is None or self._process.poll() is not None or self._env != dict(env):
            self.stop()
            self._env = dict(env)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.servers.shell"],
                cwd=CHECKOUT,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(code).encode() + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], SECONDS)
        line = process.stdout.readline() if ready else b""
        if not line:
            self.stop()
            raise AssertionError(f"no answer to:\n{code}")
        printed, error = json.loads(line)
        assert not error, f"{code}\n{error}"
        return str(printed)

    def stop(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process = None


def _serve() -> None:
    """Code by lines of JSON; each answer is a line of what was printed and what went wrong."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else writes there
    import django

    django.setup()
    from django.db import connections, reset_queries

    from pacs import audit
    from pacs.accounts import access

    for line in sys.stdin:
        printed, error = io.StringIO(), ""
        try:
            with contextlib.redirect_stdout(printed):
                exec(json.loads(line), {"__name__": "__main__"})
        except BaseException:
            error = traceback.format_exc()
        access.drop_cache()
        audit.forget_reads()
        reset_queries()
        connections.close_all()
        answers.write(json.dumps([printed.getvalue(), error]) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
