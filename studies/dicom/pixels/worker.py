"""The decoder's process, `python -m studies.dicom.pixels.worker`, on stdin and stdout."""

from __future__ import annotations

import gc
import json
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
    from studies.dicom.pixels import decode, derive, display, geometry, transcode
    from studies.dicom.pixels.rendering import Rendering

    path = Path(request["path"])
    try:
        if request["do"] == "digest":
            return {"ok": True, "digest": decode.digest(path)}, b""
        if request["do"] == "report":
            return {"ok": True}, _report(path, request["as"], request["root"])
        if request["do"] in {"pages", "page"}:
            return _pages(path, request)
        if request["do"] == "state":
            from studies.dicom.pixels import states

            return {"ok": True}, states.described(path, json.loads(request["body"]))
        if request["do"] == "frame":
            found = transcode.frame(path, request["frame"], request["spans"], request["syntax"])
            return {"ok": True}, found
        if request["do"] == "head":
            made = derive.head(path, request["spans"], request["syntax"])
            facts = {"syntax": made.syntax, "frames": made.frames, "frame_bytes": made.frame_bytes}
            return {"ok": True, "before": len(made.before), **facts}, made.before + made.after
        span, state = request.get("span"), request.get("state")
        return {"ok": True}, display.picture(
            path,
            request["frames"],
            Rendering.from_wire(request["rendering"]),
            span=(span[0], span[1]) if span else None,
            state_path=Path(state) if state else None,
        )
    except geometry.BadRegion as error:
        return {"ok": False, "words": str(error), "is_request": True}, b""
    except decode.CannotDecode as error:
        return {"ok": False, "words": str(error)}, b""
    except MemoryError:
        transcode.forget()
        return {"ok": False, "words": "the image needs more memory than is allowed"}, b""
    except Exception as error:
        return {
            "ok": False,
            "words": "the image cannot be decoded",
            "kind": type(error).__name__,
        }, b""


def _report(path: Path, media_type: str, root: str) -> bytes:
    from pydicom import dcmread

    from studies.dicom.pixels.decode import CannotDecode
    from studies.dicom.structured import html, plain, tree

    try:
        report = tree.read(dcmread(path))
    except tree.CannotShow as error:
        raise CannotDecode(str(error)) from error
    found = html.page(report, root) if media_type == "text/html" else plain.text(report)
    return found.encode()


def _pages(path: Path, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    # Brings PDFium, which few requests need.
    from studies.dicom.pixels import pages

    if request["do"] == "pages":
        return {"ok": True, "sizes": pages.sizes(path)}, b""
    return {"ok": True}, pages.page(path, request["number"], request["width"])


def main() -> None:
    from studies.dicom.pixels import wire

    # Libraries that print must not print into the answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    confine()
    from studies.dicom.pixels import derive, display, transcode  # noqa: F401

    gc.freeze()  # what stays for good need not be looked through again and again
    while True:
        try:
            request, body = wire.receive(sys.stdin.buffer)
        except EOFError:
            return
        # Should the parent die meanwhile, nobody else would stop a decoder that hangs.
        signal.setitimer(signal.ITIMER_REAL, request.get("limit", 60.0) + 5.0)
        head, body = answer({**request, "body": body} if body else request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        wire.send(out, {**head, "id": request.get("id")}, body)


if __name__ == "__main__":
    main()
