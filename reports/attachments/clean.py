"""What is kept of an uploaded picture, and what is handed out of a PDF (see `washing`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from reports.attachments.content import NotTaken

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 30
# A large picture takes some hundred megabytes for a moment.
_turn = threading.BoundedSemaphore(2)


def picture(data: bytes) -> tuple[bytes, str]:
    """The picture made anew, and its media type. Raises NotTaken."""
    told, made = _wash("picture", data)
    return made, str(told["media_type"])


def pdf(data: bytes) -> tuple[bytes, list[str]]:
    """The PDF as it may be handed out, and what was taken out of it. Raises NotTaken."""
    told, made = _wash("pdf", data)
    return made or data, list(told["removed"])


def _wash(what: str, data: bytes) -> tuple[dict[str, Any], bytes]:
    if not _turn.acquire(timeout=TIMEOUT):
        raise NotTaken("Other files are being checked now. Try again.")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "reports.attachments.washing", what],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            # Nothing that the portal knows is of use to a file.
            env={name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotTaken("The file could not be checked in time.") from None
    finally:
        _turn.release()
    head, _, made = done.stdout.partition(b"\n")
    if done.returncode or not head:
        raise NotTaken("The file could not be checked: it is damaged, or made to do harm.")
    told = json.loads(head)
    if not told["ok"]:
        raise NotTaken(str(told["words"]))
    return told, made
