"""Freed memory that stays with the process."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import resource, sys
from pacs.memory import keep_freed
if sys.argv[1] == "keep":
    assert keep_freed()
def use():
    return [bytearray(900_000) for _ in range(3)]
for _ in range(5):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word: str) -> int:
    """Pages that the kernel had to give for 100 times 2.7 MB."""
    command = [sys.executable, "-c", SCRIPT, word]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def test_buffers_of_frames_are_not_given_back() -> None:
    assert faults("keep") < faults("plain") / 10
