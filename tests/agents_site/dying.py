"""Runs a Python file and kills the process just before its Nth durable step: `dying.py N FILE ...`.

A durable step is what a power failure can fall before or after: fsync, rename, unlink, a child's
start. With N 0 nothing dies and the number of steps is printed at the end.
"""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import subprocess
import sys
from typing import Any

fatal = int(sys.argv[1])
steps = 0


def counted(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        global steps
        steps += 1
        if steps == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return call


for name in ("fsync", "replace", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
subprocess.Popen.__init__ = counted(subprocess.Popen.__init__)  # type: ignore[method-assign]
sys.argv = sys.argv[2:]
atexit.register(lambda: fatal or print(f"steps {steps}"))
runpy.run_path(sys.argv[0], run_name="__main__")
