"""The typesetter's process, `python -m reports.output.typeset`, on stdin and stdout.

It has no network and reads no file but fonts: what a document may fetch comes with the request.
WeasyPrint and Pango are loaded here and nowhere else.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import signal
import sys
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

MEMORY = 2_000 << 20
SCHEME = "lightbox:"
VARIANT = "pdf/a-3u"
KINDS = {".png": "image/png", ".svg": "image/svg+xml", ".jpeg": "image/jpeg"}


def confine() -> None:
    """A cap on memory, no core files, no sockets worth the name: there is nowhere to send to."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def typeset(
    html: str,
    css: str,
    pictures: dict[str, bytes],
    attachments: Iterable[dict[str, Any]],
    identifier: str,
    moment: str,
) -> bytes:
    """A PDF/A-3u (ISO 19005-3). The same arguments and fonts give the same bytes.

    `attachments`: {"name", "description", "text"}, associated files of relationship Source.
    `moment`: ISO 8601, the date of the attached files.
    """
    from weasyprint import HTML, Attachment
    from weasyprint.text.fonts import FontConfiguration

    fetcher = _fetcher(pictures)
    fonts = FontConfiguration()
    when = datetime.fromisoformat(moment).astimezone(UTC)
    document = HTML(string=html, url_fetcher=fetcher, base_url=SCHEME)
    pdf: bytes = document.write_pdf(
        stylesheets=[_stylesheet(css)],
        font_config=fonts,
        pdf_variant=VARIANT,
        pdf_identifier=bytes.fromhex(identifier),
        attachments=[
            Attachment(
                string=one["text"],
                name=one["name"],
                description=one["description"],
                created=when,
                modified=when,
                relationship="Source",
                url_fetcher=fetcher,
            )
            for one in attachments
        ],
        finisher=_finish,
    )
    return pdf


@lru_cache(maxsize=8)
def _stylesheet(css: str) -> Any:
    """Parsed once: the same few are used for all documents. They have no fonts of their own."""
    from weasyprint import CSS

    return CSS(string=css, url_fetcher=_fetcher({}))


def _finish(document: Any, pdf: Any) -> None:
    """Each associated file is listed once."""
    found = pdf.catalog.get("AF")
    if found is not None:
        found[:] = dict.fromkeys(found)


def _fetcher(pictures: dict[str, bytes]) -> Any:
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OursAlone(URLFetcher):  # type: ignore[misc]
        """Gives what came with the request, and opens nothing."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            name = url.removeprefix(SCHEME)
            if not url.startswith(SCHEME) or name not in pictures:
                raise ValueError("not one of the document's own")
            kind = next((k for end, k in KINDS.items() if name.endswith(end)), "image/png")
            return URLFetcherResponse(url, pictures[name], {"Content-Type": kind})

        def open(self, url: Any, data: Any = None, timeout: Any = None) -> Any:
            return self.fetch(url if isinstance(url, str) else url.full_url)

    return OursAlone()


def missing_letters(text: str) -> list[str]:
    """Letters of the text that no font of this machine has."""
    covers = _coverage()
    return sorted(
        letter
        for letter in set(text)
        if not letter.isspace() and ord(letter) >= 0x20 and not covers(ord(letter))
    )


@lru_cache(maxsize=1)
def _coverage() -> Any:
    """Asks fontconfig which code points any of its fonts has."""
    from cffi import FFI

    ffi = FFI()
    ffi.cdef(
        """
        typedef struct _FcConfig FcConfig; typedef struct _FcPattern FcPattern;
        typedef struct _FcObjectSet FcObjectSet; typedef struct _FcCharSet FcCharSet;
        typedef struct { int nfont; int sfont; FcPattern **fonts; } FcFontSet;
        FcConfig *FcInitLoadConfigAndFonts(void);
        FcPattern *FcPatternCreate(void);
        FcObjectSet *FcObjectSetBuild(const char *first, ...);
        FcFontSet *FcFontList(FcConfig *, FcPattern *, FcObjectSet *);
        int FcPatternGetCharSet(const FcPattern *, const char *, int, FcCharSet **);
        FcCharSet *FcCharSetCreate(void);
        int FcCharSetMerge(FcCharSet *, const FcCharSet *, int *);
        int FcCharSetHasChar(const FcCharSet *, uint32_t);
        """
    )
    library = ffi.dlopen("libfontconfig.so.1")
    objects = library.FcObjectSetBuild(b"charset", ffi.NULL)
    listed = library.FcFontList(
        library.FcInitLoadConfigAndFonts(), library.FcPatternCreate(), objects
    )
    every, one = library.FcCharSetCreate(), ffi.new("FcCharSet **")
    for number in range(listed.nfont):
        if library.FcPatternGetCharSet(listed.fonts[number], b"charset", 0, one) == 0:
            library.FcCharSetMerge(every, one[0], ffi.NULL)
    return lru_cache(maxsize=65536)(lambda code: bool(library.FcCharSetHasChar(every, code)))


def answer(request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """One request's result, or words that say why there is none."""
    try:
        if request["do"] == "letters":
            return {"ok": True, "missing": missing_letters(body.decode())}, b""
        pieces, start = [], 0
        for length in request["lengths"]:
            pieces.append(body[start : start + length])
            start += length
        told = json.loads(pieces[0])
        pictures = dict(zip(told["pictures"], pieces[1:], strict=True))
        return {"ok": True}, typeset(
            told["html"],
            told["css"],
            pictures,
            told["attachments"],
            told["identifier"],
            told["moment"],
        )
    except MemoryError:
        return {"ok": False, "words": "the report needs more memory than is allowed"}, b""
    except Exception as error:
        return {
            "ok": False,
            "words": "the report cannot be typeset",
            "kind": type(error).__name__,
        }, b""


def main() -> None:
    """Serve requests until stdin ends."""
    from studies.dicom.pixels import wire

    # Libraries that print must not print into the answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    confine()
    warnings.simplefilter("ignore")
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    try:
        import weasyprint  # noqa: F401
    except OSError as error:  # a library of the system is missing
        missing = str(error).split(":")[0].removeprefix("cannot load library ").strip("'")
        head = {"ok": False, "words": f"{missing} is not installed", "kind": "missing"}
        wire.send(out, {**head, "id": 0})
        return
    wire.send(out, {"ok": True, "id": 0})
    gc.freeze()
    while True:
        try:
            request, body = wire.receive(sys.stdin.buffer)
        except EOFError:
            return
        # Should the parent die meanwhile, nobody else would stop a document that takes for ever.
        signal.setitimer(signal.ITIMER_REAL, request.get("limit", 60.0) + 5.0)
        head, made = answer(request, body)
        signal.setitimer(signal.ITIMER_REAL, 0)
        wire.send(out, {**head, "id": request.get("id")}, made)


if __name__ == "__main__":
    main()
