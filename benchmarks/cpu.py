"""Processor time: what the machine's other work does not change, as it does the clock's."""

from __future__ import annotations

import os
from pathlib import Path


def busy(pid: int) -> float:
    """Seconds of processor time that the process has used, its children's aside."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
