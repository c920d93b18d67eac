"""The portal's side of the decoder. The caller's process never decodes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any
from weakref import WeakSet

from studies.dicom.pixels import wire
from studies.dicom.pixels.rendering import Rendering, Voi
from studies.dicom.syntaxes import EXPLICIT_LE

ROOT = Path(__file__).resolve().parents[3]


class PixelError(Exception):
    """The image cannot be had; the words are fit for a reader."""


class PixelTimeout(PixelError):
    """The decoder took too long and was stopped."""


class BadRequestedRegion(PixelError):
    """The region that was asked for is not in the image."""


@dataclass(frozen=True, slots=True)
class InstanceHead:
    """A file up to its frames and what follows them.

    `frame_bytes`: length of each where they are native, 0 where they are encapsulated, -1 where
    there are none.
    """

    before: bytes
    after: bytes
    transfer_syntax_uid: str
    frames: int
    frame_bytes: int


class PixelService:
    """At most `max_workers` child processes, started when needed, replaced when they die."""

    def __init__(self, max_workers: int = 1, timeout: float = 20.0) -> None:
        self.timeout = timeout
        self.max_workers = max_workers
        self._ids = count(1)
        self._reset()
        # A forked process must not share its parent's children: their answers would get mixed.
        _services.add(self)

    def _reset(self) -> None:
        self._idle: LifoQueue[subprocess.Popen[bytes] | None] = LifoQueue()
        for _ in range(self.max_workers):
            self._idle.put(None)

    def thumbnail(
        self, path: Path, frame: int = 1, size: int = 256, deadline: float | None = None
    ) -> bytes:
        """JPEG, longer side at most `size`. `deadline` is a moment of time.monotonic()."""
        return self.picture(path, [frame], Rendering(largest=size), deadline=deadline)

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
        wanted = Rendering(
            kind="PNG" if format == "png" else "JPEG",
            quality=quality,
            window=Voi(*window) if window else None,
            largest=size,
        )
        return self.picture(path, [frame], wanted)

    def picture(
        self,
        path: Path,
        frames: Sequence[int],
        wanted: Rendering,
        *,
        span: tuple[int, int] | None = None,
        state: Path | None = None,
        deadline: float | None = None,
    ) -> bytes:
        """The encoded picture of the first of `frames`, of all of them for GIF.

        `span`: offset and length of the frame in an uncompressed little endian file, which saves
        reading the rest; `state`: a presentation state's file. BadRequestedRegion, PixelError.
        """
        request = {
            "do": "picture",
            "path": str(path),
            "frames": list(frames),
            "rendering": wanted.to_wire(),
            "span": span,
            "state": None if state is None else str(state),
        }
        return self._ask(request, deadline)[1]

    def report(self, path: Path, media_type: str, root: str) -> bytes:
        """A structured report as text/html or text/plain in UTF-8. `root`: the path of the
        DICOMweb service that its links go to."""
        request = {"do": "report", "path": str(path), "as": media_type, "root": root}
        return self._ask(request)[1]

    def state(self, path: Path, images: dict[str, int]) -> bytes:
        """A presentation state as the JSON of studies.dicom.pixels.states; `images`: how many
        frames those have that it may be about, by SOP Instance UID. PixelError."""
        request = {"do": "state", "path": str(path)}
        return self._ask(request, body=json.dumps(images).encode())[1]

    def pages(self, path: Path) -> list[tuple[int, int]]:
        """Width and height in points of each page of an encapsulated PDF. PixelError."""
        head = self._ask({"do": "pages", "path": str(path)})[0]
        return [(across, down) for across, down in head["sizes"]]

    def page(self, path: Path, number: int, width: int) -> bytes:
        """A page (from 1) of an encapsulated PDF as PNG, about `width` pixels wide. PixelError."""
        return self._ask({"do": "page", "path": str(path), "number": number, "width": width})[1]

    def frame(
        self,
        path: Path,
        number: int,
        *,
        spans: Sequence[tuple[int, int]] | None = None,
        syntax: str = EXPLICIT_LE,
    ) -> bytes:
        """Frame `number` (from 1) in a transfer syntax; `spans` say where its bytes are."""
        request = {"do": "frame", "path": str(path), "frame": number, "syntax": syntax}
        return self._ask({**request, "spans": None if spans is None else list(spans)})[1]

    def head(
        self, path: Path, *, spans: Sequence[tuple[int, int]] | None, syntax: str
    ) -> InstanceHead:
        """What surrounds the frames of an instance in a transfer syntax; `spans`: of frame 1."""
        request = {"do": "head", "path": str(path), "syntax": syntax}
        head, body = self._ask({**request, "spans": None if spans is None else list(spans)})
        cut = head["before"]
        return InstanceHead(
            body[:cut], body[cut:], head["syntax"], head["frames"], head["frame_bytes"]
        )

    def decoded_digest(self, path: Path) -> str:
        """SHA-256 over all decoded frames."""
        return str(self._ask({"do": "digest", "path": str(path)})[0]["digest"])

    def close(self) -> None:
        """End the idle children."""
        while not self._idle.empty():
            _end(self._idle.get_nowait())

    def _ask(
        self, request: dict[str, Any], deadline: float | None = None, body: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        until = time.monotonic() + self.timeout if deadline is None else deadline
        with self._child(until) as child:
            head, body = self._exchange(child, request, until, body)
        if head.get("is_request"):
            raise BadRequestedRegion(head["words"])
        if not head["ok"]:
            raise PixelError(head["words"])
        return head, body

    def _exchange(
        self, child: subprocess.Popen[bytes], request: dict[str, Any], until: float, sent: bytes
    ) -> tuple[dict[str, Any], bytes]:
        """One request and its own answer. Whatever goes wrong, the child does not survive it:
        an answer left in its pipe would be given to the next request, as another image."""
        number = next(self._ids)
        done = False
        try:
            stdin, stdout = child.stdin, child.stdout
            if stdin is None or stdout is None:
                raise OSError
            wire.send(stdin, {**request, "id": number, "limit": until - time.monotonic()}, sent)
            head, body = wire.receive_before(stdout.fileno(), until)
            if head.get("id") != number:
                raise ValueError
            done = True
        except TimeoutError as error:
            raise PixelTimeout("the image takes too long to decode") from error
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise PixelError("the decoder failed on this image") from error
        finally:
            if not done:
                child.kill()
                child.wait()
        return head, body

    @contextlib.contextmanager
    def _child(self, until: float) -> Iterator[subprocess.Popen[bytes]]:
        idle = self._idle
        try:
            child = idle.get(timeout=max(until - time.monotonic(), 0.001))
        except Empty:
            raise PixelTimeout("the decoder is busy") from None
        try:
            if child is None or child.poll() is not None:
                _end(child)
                child = None
                child = _start()
            yield child
        finally:
            if child is not None and child.poll() is not None:
                _end(child)
                child = None
            idle.put(child)


_services: WeakSet[PixelService] = WeakSet()


def _after_fork() -> None:
    for service in list(_services):
        service._reset()


os.register_at_fork(after_in_child=_after_fork)


def _start() -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
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
    if child.stdout is not None:
        with contextlib.suppress(OSError):  # wide, so that an answer is taken in few pieces
            fcntl.fcntl(child.stdout.fileno(), fcntl.F_SETPIPE_SZ, wire.PIPE)
    return child


def _end(child: subprocess.Popen[bytes] | None) -> None:
    if child is None:
        return
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
