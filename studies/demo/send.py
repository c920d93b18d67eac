"""Sending the demo's files: by C-STORE to the Orthanc, as a modality would."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class SendFailed(Exception):
    """The files did not all reach the Orthanc."""


def available() -> bool:
    """Whether dcmtk's dcmsend is installed."""
    return shutil.which("dcmsend") is not None


def dcmsend(files: list[Path], *, host: str, port: int, timeout: int = 300) -> None:
    """C-STORE every file in its own transfer syntax; SendFailed where the tool says so."""
    command = ["dcmsend", "--decompress-never", "--no-halt", "--no-uid-checks"]
    done = subprocess.run(
        [*command, host, str(port), *map(str, files)],
        env={**os.environ, "TCP_NODELAY": "1"},
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        raise SendFailed(f"dcmsend ended with {done.returncode}")
