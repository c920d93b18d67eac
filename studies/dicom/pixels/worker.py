"""The decoder's process: `python -m studies.dicom.pixels.worker`. Speaks `wire` on stdin and stdout."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

MEMORY = 2_500 << 20


def confine() -> None:
    """A cap on memory, no core files, and an end with the parent."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def answer(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """One request's result, or words that say why there is none."""
    from studies.dicom.pixels import decode, display

    path = Path(request["path"])
    try:
        if request["do"] == "digest":
            return {"ok": True, "digest": decode.digest(path)}, b""
        if request["do"] == "frame":
            return {"ok": True}, decode.raw_frame(path, request["frame"])
        window = request.get("window")
        return {"ok": True}, display.picture(
            path,
            request["frame"],
            window=(window[0], window[1]) if window else None,
            size=request.get("size"),
            kind=request.get("kind", "JPEG"),
            quality=request.get("quality", 85),
        )
    except decode.CannotDecode as error:
        return {"ok": False, "words": str(error)}, b""
    except MemoryError:
        return {"ok": False, "words": "the image needs more memory than is allowed"}, b""
    except Exception as error:
        return {
            "ok": False,
            "words": "the image cannot be decoded",
            "kind": type(error).__name__,
        }, b""


def main() -> None:
    from studies.dicom.pixels import wire

    # Libraries that print must not print into the answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    confine()
    while True:
        try:
            request, _ = wire.receive(sys.stdin.buffer)
        except EOFError:
            return
        head, body = answer(request)
        wire.send(out, head, body)


if __name__ == "__main__":
    main()
