"""Which instances are structured reports."""

from __future__ import annotations

from typing import Final

STORAGE: Final = "1.2.840.10008.5.1.4.1.1.88."
"""What the UIDs of structured report storage begin with, key object selections among them."""


def is_report(sop_class_uid: str) -> bool:
    """Whether instances of this class have a content tree as their document."""
    return sop_class_uid.startswith(STORAGE)
