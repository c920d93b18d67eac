"""Freed memory that stays with the process."""

from __future__ import annotations

import subprocess
import sys

from pacs import memory

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


GIVEN_BACK = """
import time
from pacs.memory import keep_freed
assert keep_freed()
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
buffers, between = [], []
for _ in range(100):
    buffers.append(bytearray(b"x") * 1_000_000)
    between.append(bytearray(b"x") * 2_000)
most = resident()
del buffers
until = time.monotonic() + 60
while resident() > most - 70 and time.monotonic() < until:
    time.sleep(0.1)
print(most - resident())
"""


def test_what_is_wanted_no_more_is_given_back_in_the_end() -> None:
    """Even where something in use lies behind each buffer."""
    command = [sys.executable, "-c", GIVEN_BACK]
    done = subprocess.run(command, capture_output=True, check=True, timeout=90)
    assert int(done.stdout) >= 70


def test_a_busy_process_gives_back_seldom() -> None:
    assert memory.is_due(used=0.01, waited=1)
    assert not memory.is_due(used=0.9, waited=5)
    assert memory.is_due(used=0.9, waited=10)
