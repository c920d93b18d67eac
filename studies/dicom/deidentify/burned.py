"""Which images may show words in their pixels, which nothing here takes out (PS3.15 E.3.1)."""

from __future__ import annotations

from typing import Final

from pydicom import Dataset

KEYWORDS: Final = ("SOPClassUID", "BurnedInAnnotation", "ImageType", "SamplesPerPixel")
_ROOT: Final = "1.2.840.10008.5.1.4.1.1."
SCANNERS: Final = frozenset(
    _ROOT + each for each in ("2", "2.1", "2.2", "4", "4.1", "4.4", "128", "130", "128.1")
)
"""CT, MR and PET, enhanced ones too: words are drawn into their pixels only afterwards."""
PROJECTIONS: Final = frozenset(
    _ROOT + each for each in ("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "13.1.3", "20")
)
"""CR, DX, mammography, intraoral, breast tomosynthesis, nuclear medicine."""
KINDS: Final = (
    ("7", "a secondary capture: the picture of a screen or a paper"),
    ("3.1", "ultrasound"),
    ("6.1", "ultrasound"),
    ("6.2", "ultrasound"),
    ("12.1", "an angiogram (XA)"),
    ("12.2", "fluoroscopy (RF)"),
    ("12.3", "an angiogram (XA)"),
    ("13.1.1", "an angiogram (XA)"),
    ("104", "a document (PDF)"),
    ("88", "a structured report"),
    ("11", "a presentation state"),
    ("9", "a waveform"),
    ("77", "a photograph or a microscopic image"),
    ("66", "a segmentation or a registration"),
    ("481", "of radiotherapy"),
)
UNKNOWN_KIND: Final = "of a kind that is not known to show no names"
SAYS_YES: Final = "its header says that words are burned into it"
SAYS_NOTHING: Final = "its header does not say that no words are burned into it"
COLOUR: Final = "it is in colour, as screenshots are"
DERIVED: Final = "it was derived from other images, and its header says nothing of words in it"
DEFLATED: Final = "its transfer syntax is not supported"


def why_not(header: Dataset, *, silent: bool = False) -> str:
    """Why an image cannot be given without names, in words; "" where it can.

    `silent`: slices of CT, MR and PET as the scanner made them, in grey, are given also where
    their header says nothing of annotations, which most do not.
    """
    kind = str(header.get("SOPClassUID", ""))
    if kind not in SCANNERS | PROJECTIONS:
        return _kind(kind)
    burned = str(header.get("BurnedInAnnotation", "") or "").strip().upper()
    if burned == "NO":
        return ""
    if burned:
        return SAYS_YES
    if not silent or kind not in SCANNERS:
        return SAYS_NOTHING
    if header.get("SamplesPerPixel", 1) != 1:
        return COLOUR
    image_type = [str(each).upper() for each in header.get("ImageType", None) or []]
    return "" if image_type[:2] == ["ORIGINAL", "PRIMARY"] else DERIVED


def _kind(uid: str) -> str:
    rest = uid.removeprefix(_ROOT)
    if rest != uid:
        for start, words in KINDS:
            if rest == start or rest.startswith(f"{start}."):
                return words
    return UNKNOWN_KIND
