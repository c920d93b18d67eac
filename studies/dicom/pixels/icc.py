"""Colour spaces of pictures (PS3.18 8.3.5.1.5; ICC.1)."""

from __future__ import annotations

import struct
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageCms
from pydicom import Dataset

# White is D50, so colorants are given adapted to it: red, green and blue as X, Y, Z.
_COLORANTS = {
    "adobergb": (
        (0.60974, 0.31111, 0.01947),
        (0.20528, 0.62567, 0.06087),
        (0.14919, 0.06322, 0.74457),
    ),
    "rommrgb": (
        (0.79767, 0.28804, 0.0),
        (0.13519, 0.71188, 0.0),
        (0.03134, 0.00009, 0.82491),
    ),
}
_GAMMA = {"adobergb": 563 / 256, "rommrgb": 1.8}
_NAME = {"adobergb": "Compatible with Adobe RGB (1998)", "rommrgb": "ROMM RGB"}
_WHITE = (0.9642, 1.0, 0.8249)
_DATE = (2026, 1, 1, 0, 0, 0)


def coloured(
    image: Image.Image, wanted: str, dataset: Dataset, state_profile: bytes = b""
) -> tuple[Image.Image, bytes]:
    """The picture and the profile to embed in it, b"" for none.

    The image's own profile, a presentation state's before it, says what its colours are; sRGB where
    there is none or it cannot be read. "yes" embeds that one; a name converts the picture.
    """
    if wanted == "no":
        return image, b""
    image = image.convert("RGB")
    own = _usable(state_profile) or _usable(_profile_of(dataset)) or profile("srgb")
    if wanted == "yes":
        return image, own
    target = profile(wanted)
    if own != target:
        converted = ImageCms.profileToProfile(
            image, BytesIO(own), BytesIO(target), outputMode="RGB"
        )
        image = converted or image
    return image, target


def _profile_of(dataset: Dataset) -> bytes:
    paths = dataset.get("OpticalPathSequence") or ()
    for source in (dataset, *paths[:1]):
        found = source.get("ICCProfile")
        if isinstance(found, bytes) and found:
            return found
    return b""


def _usable(found: bytes) -> bytes:
    """The profile if it is one of RGB that can be read, else b""."""
    if not found:
        return b""
    try:
        space = ImageCms.ImageCmsProfile(BytesIO(found)).profile.xcolor_space
    except (OSError, ImageCms.PyCMSError):
        return b""
    return found if space.strip() == "RGB" else b""


@lru_cache(maxsize=4)
def profile(name: str) -> bytes:
    """The ICC profile of "srgb", "adobergb" or "rommrgb"."""
    if name == "srgb":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return _matrix_profile(_NAME[name], _COLORANTS[name], _GAMMA[name])


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(value) for value in values)


def _matrix_profile(
    name: str, colorants: tuple[tuple[float, float, float], ...], gamma: float
) -> bytes:
    """A display profile of version 2 from three colorants and one gamma."""
    text = name.encode("ascii") + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    elements = {
        b"desc": description,
        b"cprt": b"text\0\0\0\0No copyright, use freely\0",
        b"wtpt": _xyz(_WHITE),
        b"rXYZ": _xyz(colorants[0]),
        b"gXYZ": _xyz(colorants[1]),
        b"bXYZ": _xyz(colorants[2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    offset = 128 + 4 + 12 * len(elements)
    table, data = struct.pack(">I", len(elements)), b""
    for signature, content in elements.items():
        table += signature + struct.pack(">II", offset + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s6H4s4sI4s4s8sI12s4s44x",
        offset + len(data), b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ", *_DATE,
        b"acsp", b"\0" * 4, 0, b"\0" * 4, b"\0" * 4, b"\0" * 8, 0,
        b"".join(_fixed(value) for value in _WHITE), b"lcms",
    )  # fmt: skip
    return head + table + data
