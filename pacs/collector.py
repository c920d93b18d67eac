"""Python's collector of cycles, for processes that begin with a hundred thousand objects.

By default it looks through all of them again and again while they are made: a sixth of a start, and
later pauses of a tenth of a second in which nobody is answered.
"""

from __future__ import annotations

import gc

THRESHOLDS = (10_000, 20, 50)


def seldom() -> None:
    """Before anything else is imported."""
    gc.set_threshold(*THRESHOLDS)


def past_the_start() -> None:
    """What is there now stays to the end and is not looked at any more."""
    gc.collect()
    gc.freeze()
