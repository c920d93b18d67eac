"""The decoder's process, `python -m studies.dicom.pixels.worker`, on stdin and stdout."""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

MEMORY = 2_500 << 20


def confine() -> None:
    """A cap on memory and no core files.

    The end of the parent is the end of stdin. PR_SET_PDEATHSIG is not used on purpose: it fires
    when the *thread* that started the child ends, so a server's short-lived thread would kill the
    decoder under another thread's request.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


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
        # Should the parent die meanwhile, nobody else would stop a decoder that hangs.
        signal.setitimer(signal.ITIMER_REAL, request.get("limit", 60.0) + 5.0)
        head, body = answer(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        wire.send(out, {**head, "id": request.get("id")}, body)


if __name__ == "__main__":
    main()
