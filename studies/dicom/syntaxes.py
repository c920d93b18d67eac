"""Transfer syntaxes, as far as structure depends on them (PS3.5 A)."""

from __future__ import annotations

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LS = "1.2.840.10008.1.2.4.80"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_RPCL = "1.2.840.10008.1.2.4.202"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
JPEG_EXTENDED = frozenset(f"1.2.840.10008.1.2.4.{member}" for member in (51, 53, 55))
NATIVE = frozenset({IMPLICIT_LE, EXPLICIT_LE, DEFLATED_LE, EXPLICIT_BE})


def is_encapsulated(uid: str) -> bool:
    """Whether Pixel Data is a sequence of fragments (PS3.5 A.4)."""
    return uid not in NATIVE


# JPIP: the pixels are elsewhere, and the deflated members are read by nothing that is in use.
_UNREADABLE = frozenset({"1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})


def is_readable(uid: str) -> bool:
    """Whether the data set's encoding is known: DICOM's own syntaxes for files (PS3.6 A)."""
    return uid in NATIVE or (
        uid.startswith(("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8."))
        and uid not in _UNREADABLE
    )


def is_video(uid: str) -> bool:
    """MPEG-2, MPEG-4 and HEVC: one stream of all frames, in any number of fragments (PS3.5 8.2)."""
    family = "1.2.840.10008.1.2.4."
    member = uid.removeprefix(family).partition(".")[0]  # .100.1 is fragmentable .100
    return uid.startswith(family) and member.isdigit() and 100 <= int(member) <= 108
