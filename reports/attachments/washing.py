"""A process for one uploaded file, `python -m reports.attachments.washing picture|pdf`.

Bytes on stdin; on stdout a line of JSON, `{"ok", "words", "removed"}`, then the bytes, if any. A
picture is made anew of its pixels: nothing else of it is left. Of a PDF everything goes that acts
or carries files (ISO 32000-1 12.6.4, 7.11.4); without such a thing there are no bytes, and the file
may be handed out as it is. Memory and time are capped: what needs more is refused.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any

MEMORY = 1_500 << 20
SECONDS = 20
LONGEST_SIDE = 8000
MOST_BYTES = 25 * 2**20
PICTURES = {"image/png": "PNG", "image/jpeg": "JPEG"}
ACTIONS = {
    *("/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToR", "/GoToE", "/Rendition"),
    *("/Movie", "/Sound", "/RichMediaExecute", "/GoTo3DView", "/Thread"),
}
CARRIERS = {"/FileAttachment", "/RichMedia", "/Screen", "/Movie", "/Sound", "/3D"}
SCRIPTS, FILES, MEDIA, FORMS = "scripts and actions", "embedded files", "media", "an XFA form"


class Refused(Exception):
    """Why the file is not taken, in the user's words."""


def picture(data: bytes) -> tuple[bytes, str]:
    """The picture anew, upright, in grey or sRGB, at most 8000 pixels a side; its media type."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # content.media_type has looked at the size
    with Image.open(BytesIO(data), formats=list(PICTURES.values())) as found:
        kind = str(found.format)
        image = _plain(ImageOps.exif_transpose(found))
    if max(image.size) > LONGEST_SIDE:
        image = image.convert("L") if image.mode == "1" else image
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    if kind == "JPEG" and image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    # Pixels alone: comments, profiles and places of the camera stay behind.
    bare = Image.new(image.mode, image.size)
    bare.paste(image)
    out = BytesIO()
    if kind == "JPEG":
        bare.save(out, "JPEG", quality=92, subsampling=0, optimize=True)
    else:
        bare.save(out, "PNG", optimize=False)
    if out.tell() > MOST_BYTES:
        raise Refused("The picture is too large. Save it as JPEG, or with fewer pixels.")
    return out.getvalue(), next(each for each, name in PICTURES.items() if name == kind)


def _plain(image: Any) -> Any:
    """Bilevel, grey, or RGB with or without alpha; colours of a profile as sRGB."""
    from PIL import ImageCms

    image.load()
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            image = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except ImageCms.PyCMSError:
            image = image.convert("RGB")
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("1", "L", "RGB", "RGBA"):
        return image
    if image.mode == "LA" or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("RGB")


def pdf(data: bytes) -> tuple[bytes, list[str]]:
    """The PDF without what acts or carries files, and what that was; b"" where nothing was."""
    import pikepdf

    try:
        document = pikepdf.open(BytesIO(data), suppress_warnings=True)
    except pikepdf.PasswordError:
        raise Refused("The PDF is protected by a password. Save it without one.") from None
    with document:
        if not len(document.pages):
            raise Refused("The PDF has no pages.")
        removed = {*_of_root(document), *_of_pages(document)}
        for each in document.objects:
            for dictionary in _dictionaries(each):
                removed |= _of_dictionary(dictionary)
        if not removed:
            return b"", []
        out = BytesIO()
        document.save(
            out,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
            deterministic_id=not document.is_encrypted,
            encryption=False,
        )
    return out.getvalue(), sorted(removed)


def _of_root(document: Any) -> Iterator[str]:
    root = document.Root
    for key, what in (("/AA", SCRIPTS), ("/AF", FILES), ("/Collection", FILES)):
        if key in root:
            del root[key]
            yield what
    names = root.get("/Names")
    if names is not None:
        for key, what in (
            *(("/JavaScript", SCRIPTS), ("/EmbeddedFiles", FILES)),
            *(("/Renditions", MEDIA), ("/AlternatePresentations", SCRIPTS)),
        ):
            if key in names:
                del names[key]
                yield what
    form = root.get("/AcroForm")
    if form is not None and "/XFA" in form:
        del form["/XFA"]
        yield FORMS


def _of_pages(document: Any) -> Iterator[str]:
    import pikepdf

    for page in document.pages:
        annotations = page.obj.get("/Annots")
        if annotations is None:
            continue
        kept = [each for each in annotations if str(each.get("/Subtype", "")) not in CARRIERS]
        if len(kept) != len(annotations):
            page.obj["/Annots"] = pikepdf.Array(kept)
            yield MEDIA


def _dictionaries(top: Any) -> Iterator[Any]:
    """The dictionaries of an object, those of its values included; indirect ones come by
    themselves."""
    import pikepdf

    waiting = [top]
    while waiting:
        each = waiting.pop()
        if isinstance(each, pikepdf.Stream):
            each = each.stream_dict
        if isinstance(each, pikepdf.Dictionary):
            yield each
            inside = [each.get(key) for key in list(each.keys())]
        elif isinstance(each, pikepdf.Array):
            inside = list(each)
        else:
            continue
        waiting += [
            one
            for one in inside
            if isinstance(one, pikepdf.Dictionary | pikepdf.Array) and not one.is_indirect
        ]


def _of_dictionary(dictionary: Any) -> set[str]:
    removed = set()
    if str(dictionary.get("/S", "")) in ACTIONS:
        for key in list(dictionary.keys()):
            del dictionary[key]
        removed.add(SCRIPTS)
    for key, what in (("/AA", SCRIPTS), ("/JS", SCRIPTS), ("/EF", FILES), ("/AF", FILES)):
        if key in dictionary:
            del dictionary[key]
            removed.add(what)
    return removed


def main(what: str) -> None:
    """Answer on stdout, whatever the bytes are."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data, made = sys.stdin.buffer.read(), b""
    told: dict[str, Any] = {"ok": True}
    try:
        if what == "picture":
            made, told["media_type"] = picture(data)
        else:
            made, told["removed"] = pdf(data)
    except Refused as error:
        told = {"ok": False, "words": str(error)}
    except MemoryError:
        told = {"ok": False, "words": "The file needs more memory than it may have."}
    except Exception:
        told = {"ok": False, "words": "The file is damaged and cannot be read."}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + made)


if __name__ == "__main__":
    main(sys.argv[1])
