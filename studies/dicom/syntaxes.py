"""Transfer syntaxes, as far as structure depends on them (PS3.5 A)."""

from __future__ import annotations

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
NATIVE = frozenset({IMPLICIT_LE, EXPLICIT_LE, DEFLATED_LE, EXPLICIT_BE})


def is_encapsulated(uid: str) -> bool:
    """Whether Pixel Data is a sequence of fragments (PS3.5 A.4)."""
    return uid not in NATIVE
