"""What deploy/agent/launcher told this process: where updates lie and which release this is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

RESTART = 75
"""Exit status with which the agent asks its launcher to start it again."""


def folder() -> Path | None:
    """The folder shared with the launcher; None where no launcher started this process."""
    value = os.environ.get("LIGHTBOX_AGENT_UPDATES")
    return Path(value) if value else None


def seq() -> int:
    """The release that runs; 0 for the program that an administrator installed."""
    value = os.environ.get("LIGHTBOX_AGENT_SEQ", "")
    return int(value) if value.isdecimal() else 0


def read(path: Path) -> dict[str, Any]:
    """The object that a file of this folder holds; {} where it is not there or not whole."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
