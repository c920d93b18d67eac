"""Forks site agents that die at a durable step, each in a moment: all is imported once.

A line of JSON on standard input starts one: `argv`, `log`, `env` and `folder`; its process id is
printed. While there is `folder`/arm, every durable step writes its name to `folder`/steps; before
the step that `arm` names, as `name#3` for the third of this name, the process is killed.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sqlite3
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from agents.site.__main__ import main

OWN = {"database.py", "durable.py"}


class Steps:
    """Tells of durable steps while it is armed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def step(self) -> None:
        try:
            name, _, number = (self.folder / "arm").read_text().rpartition("#")
        except FileNotFoundError:
            return
        own = who(sys._getframe(2))
        with (self.folder / "steps").open("a+") as file:
            file.write(own + "\n")
            file.seek(0)
            count = file.read().split("\n").count(own)
        if own == name and count == int(number):
            (self.folder / "dead").touch()
            os.kill(os.getpid(), signal.SIGKILL)


def who(frame: FrameType | None) -> str:
    """The agent's function that makes something durable, and of the audit log its action."""
    while frame is not None:
        code = frame.f_code
        path = Path(code.co_filename)
        if path.parent.name == "site" and path.name not in OWN:
            action = frame.f_locals.get("action")
            return f"{code.co_qualname} {action}" if action else code.co_qualname
        frame = frame.f_back
    return "elsewhere"


def patch(steps: Steps) -> None:
    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql == "COMMIT":
                steps.step()
            return super().execute(sql, *args)

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Connection)  # type: ignore[misc]
    for name in ("fsync", "replace", "rename"):
        setattr(os, name, counted(steps, getattr(os, name)))


def counted(steps: Steps, function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        steps.step()
        return function(*args, **kwargs)

    return call


def child(wanted: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(wanted["env"])
    sys.argv = ["agent", *wanted["argv"]]
    patch(Steps(Path(wanted["folder"])))
    os._exit(main(wanted["argv"]))


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            child(json.loads(line))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
