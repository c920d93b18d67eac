"""The portal's side of the typesetter: a child process that may be killed and may not grow."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings

from reports.errors import PermanentError, RetriableError
from studies.dicom.pixels import wire

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-core fonts-noto-mono"
    " fonts-noto-cjk"
)
NOT_INSTALLED = f"PDFs cannot be made on this server. Missing: Debian's {PACKAGES}."


class Typesetter:
    """One child, started when needed, replaced when it dies; threads wait for their turn."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._ids = count(1)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """A forked process must not share its parent's child."""
        self._lock, self._child = threading.Lock(), None

    def pdf(
        self,
        html: str,
        css: str,
        pictures: dict[str, bytes],
        attachments: list[dict[str, str]],
        *,
        identifier: str,
        moment: str,
    ) -> bytes:
        """A PDF/A-3u of the document (see reports.output.typeset).

        PermanentError where it cannot be made, RetriableError where it took too long.
        """
        told = {
            "html": html,
            "css": css,
            "pictures": list(pictures),
            "attachments": attachments,
            "identifier": identifier,
            "moment": moment,
        }
        pieces = [json.dumps(told).encode(), *pictures.values()]
        head = {"do": "typeset", "lengths": [len(piece) for piece in pieces]}
        return self._ask(head, b"".join(pieces))[1]

    def missing_letters(self, text: str) -> list[str]:
        """Letters that no font of this server has."""
        head, _ = self._ask({"do": "letters"}, text.encode())
        return [str(letter) for letter in head["missing"]]

    @property
    def is_running(self) -> bool:
        """Whether the child is there, so that a document costs no start."""
        child = self._child
        return child is not None and child.poll() is None

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _ask(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        if not self._lock.acquire(timeout=self.timeout):
            raise RetriableError("Other PDFs are being made now.", code="pdf-busy")
        try:
            head, made = self._exchange(request, body, time.monotonic() + self.timeout)
        finally:
            self._lock.release()
        if not head["ok"]:
            raise PermanentError(f"No PDF can be made: {head['words']}.", code="pdf")
        return head, made

    def _exchange(
        self, request: dict[str, Any], body: bytes, until: float
    ) -> tuple[dict[str, Any], bytes]:
        """One request and its own answer. Whatever goes wrong, the child does not survive it."""
        number, done = next(self._ids), False
        try:
            child = self._started(until)
            stdin, stdout = child.stdin, child.stdout
            if stdin is None or stdout is None:
                raise OSError
            limit = until - time.monotonic()
            wire.send(stdin, {**request, "id": number, "limit": limit}, body)
            head, made = wire.receive_before(stdout.fileno(), until)
            if head.get("id") != number:
                raise ValueError
            done = True
        except TimeoutError as error:
            raise RetriableError("Making the PDF took too long.", code="pdf-slow") from error
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise RetriableError("The typesetter failed.", code="pdf-failed") from error
        finally:
            if not done:
                self._end()
        return head, made

    def _started(self, until: float) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._end()
        self._child = _start()
        if self._child.stdout is None:
            raise OSError
        head, _ = wire.receive_before(self._child.stdout.fileno(), until)
        if not head["ok"]:
            raise PermanentError(f"{NOT_INSTALLED} ({head['words']})", code="pdf-not-installed")
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _start() -> subprocess.Popen[bytes]:
    kept = ("PATH", "LANG", "LC_ALL", "HOME", "XDG_CACHE_HOME", "FONTCONFIG_FILE")
    return subprocess.Popen(
        [sys.executable, "-m", "reports.output.typeset"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={name: os.environ[name] for name in kept if name in os.environ},
    )


@lru_cache(maxsize=1)
def typesetter() -> Typesetter:
    """This process's typesetter, shared by its threads."""
    return Typesetter(settings.PDF_SECONDS)
