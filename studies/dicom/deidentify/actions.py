"""What the Basic Profile asks for each attribute (PS3.15 Table E.1-1, edition 2026c)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table

EDITION: Final = "2026c"


class Action(Enum):
    """Where the table leaves a choice by the attribute's type, the choice that suits each type:
    what may be type 1 gets a dummy, what may be type 2 is emptied."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    MAP = "U"
    CLEAN = "X/Z/U*"
    """Sequences of references: their items are cleaned, the UIDs in them mapped."""


_OF_THE_TABLE: Final = (
    (table.X_TAGS, Action.REMOVE),
    (table.Z_TAGS, Action.EMPTY),
    (table.X_Z_TAGS, Action.EMPTY),
    (table.D_TAGS, Action.DUMMY),
    (table.Z_D_TAGS, Action.DUMMY),
    (table.X_D_TAGS, Action.DUMMY),
    (table.X_Z_D_TAGS, Action.DUMMY),
    (table.U_TAGS, Action.MAP),
    (table.X_Z_U_STAR_TAGS, Action.CLEAN),
)
ACTIONS: Final[dict[int, Action]] = {
    tag[0] << 16 | tag[1]: action for tags, action in _OF_THE_TABLE for tag in tags if len(tag) == 2
}
"""By tag; without the repeating groups, curves and overlays, which are removed whole."""


def is_graphic(tag: int) -> bool:
    """Whether this is of a curve (50xx) or an overlay (60xx), in which words may be drawn."""
    return (tag >> 24) in (0x50, 0x60)
