"""How long an answer of Daphne's may take. In processes of their own: Twisted has one reactor."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import asyncio, sys, time
from types import SimpleNamespace
from twisted.internet import asyncioreactor
asyncioreactor.install(asyncio.new_event_loop())
from pacs.streaming import StreamingRequest

said = []

class Answering(StreamingRequest):
    def __init__(self, sent):
        self.finished, self._response_started, self.sentLength = 0, True, sent
        self.server = SimpleNamespace(http_timeout=900)
        self.request_start = time.time() - 901
        transport = SimpleNamespace(abortConnection=lambda: said.append("abort"))
        self.channel = SimpleNamespace(transport=transport)
        self._streams = self._whole = False

    def finish(self):
        said.append("finish")

Answering(int(sys.argv[1])).check_timeouts()
print(said)
"""


@pytest.mark.parametrize(("sent", "said"), [(5 << 30, "[]"), (100, "['abort']")])
def test_a_large_answer_takes_its_time_and_a_stuck_one_is_cut(sent: int, said: str) -> None:
    """Never ended as if it were whole."""
    command = [sys.executable, "-c", SCRIPT, str(sent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == said
