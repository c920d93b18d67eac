"""The portal's side of the decoder. The caller's process never decodes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import LifoQueue
from threading import Timer
from typing import Any

from studies.dicom.pixels import wire

ROOT = Path(__file__).resolve().parents[3]


class PixelError(Exception):
    """The image cannot be had; the words are fit for a reader."""


class PixelTimeout(PixelError):
    """The decoder took too long and was stopped."""


class PixelService:
    """At most `max_workers` child processes, started when needed, replaced when they die."""

    def __init__(self, max_workers: int = 1, timeout: float = 20.0) -> None:
        self.timeout = timeout
        self._idle: LifoQueue[subprocess.Popen[bytes] | None] = LifoQueue()
        for _ in range(max_workers):
            self._idle.put(None)

    def thumbnail(self, path: Path, frame: int = 1, size: int = 256) -> bytes:
        """JPEG, longer side at most `size`."""
        return self._ask({"do": "picture", "path": str(path), "frame": frame, "size": size})[1]

    def render(
        self,
        path: Path,
        frame: int = 1,
        *,
        window: tuple[float, float] | None = None,
        size: int | None = None,
        format: str = "jpeg",
        quality: int = 85,
    ) -> bytes:
        """JPEG or PNG at full size or smaller; `window` is centre and width."""
        return self._ask(
            {
                "do": "picture",
                "path": str(path),
                "frame": frame,
                "window": window,
                "size": size,
                "kind": "PNG" if format == "png" else "JPEG",
                "quality": quality,
            }
        )[1]

    def frame(self, path: Path, number: int) -> bytes:
        """Decoded samples of a frame, little endian."""
        return self._ask({"do": "frame", "path": str(path), "frame": number})[1]

    def decoded_digest(self, path: Path) -> str:
        """SHA-256 over all decoded frames."""
        return str(self._ask({"do": "digest", "path": str(path)})[0]["digest"])

    def close(self) -> None:
        """End the idle children."""
        while not self._idle.empty():
            _end(self._idle.get_nowait())

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        with self._child() as child:
            assert child.stdin and child.stdout
            late: list[bool] = []

            def stop() -> None:
                late.append(True)
                child.kill()

            timer = Timer(self.timeout, stop)
            timer.start()
            try:
                wire.send(child.stdin, request)
                head, body = wire.receive(child.stdout)
            except (OSError, EOFError, ValueError) as error:
                child.kill()
                child.wait()
                if late:
                    raise PixelTimeout("the image takes too long to decode") from error
                raise PixelError("the decoder failed on this image") from error
            finally:
                timer.cancel()
        if not head["ok"]:
            raise PixelError(head["words"])
        return head, body

    @contextlib.contextmanager
    def _child(self) -> Iterator[subprocess.Popen[bytes]]:
        child = self._idle.get()
        try:
            if child is None or child.poll() is not None:
                _end(child)
                child = _start()
            yield child
        finally:
            if child is not None and child.poll() is not None:
                _end(child)
                child = None
            self._idle.put(child)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "studies.dicom.pixels.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={
            "PATH": os.environ.get("PATH", ""),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            **{k: v for k, v in os.environ.items() if k.startswith(("OPENBLAS_", "LANG", "LC_"))},
        },
    )


def _end(child: subprocess.Popen[bytes] | None) -> None:
    if child is None:
        return
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
