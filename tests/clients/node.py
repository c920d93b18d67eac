"""Node and npm as `make` finds them: beside the interpreter where PyPI brought them, else the
system's."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def environment(**more: str) -> dict[str, str]:
    """This process's environment with the interpreter's own folder first on the PATH.

    deploy/local/ensure-node.sh puts Node there when the system has none, or one too old, so what is
    there comes first; `npm` itself looks for a `node` by name, too.
    """
    own = str(Path(sys.executable).parent)
    path = os.pathsep.join([own, os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, **more}


def program(name: str) -> str:
    """Path of `node` or `npm`. A missing one fails the test, it never skips it."""
    found = shutil.which(name, path=environment()["PATH"])
    if not found:
        raise AssertionError(f"{name} is not installed: run `make node`")
    return found
