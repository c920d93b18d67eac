"""Choosing columns and density, and what was chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from pacs import audit
from studies.appearance.models import Density, WorklistAppearance
from studies.tables import USUAL_COLUMNS, WorklistTable

# Without these nobody knows whom a row is about, how urgent it is and whether it is being read.
ALWAYS: Final = ("priority", "patient", "state")


@dataclass(frozen=True)
class Appearance:
    """`columns` are those shown, in their order. `is_own`: they are not everybody's."""

    columns: tuple[str, ...] = USUAL_COLUMNS
    density: str = Density.COMFORTABLE

    @property
    def is_own(self) -> bool:
        return self.columns != USUAL_COLUMNS

    @property
    def is_compact(self) -> bool:
        return self.density == Density.COMPACT


def columns_of(names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that there are, once each; what is never hidden is first where it misses."""
    known = [name for name in dict.fromkeys(names) if name in WorklistTable.base_columns]
    return (*(name for name in ALWAYS if name not in known), *known)


def columns_in(text: str) -> tuple[str, ...]:
    """Columns of a list by commas, as the page sends it; the usual ones for nothing."""
    return columns_of(text.split(",")) if text else USUAL_COLUMNS


def appearance_of(user_id: int) -> Appearance:
    """What the person chose, else what everybody sees."""
    row = WorklistAppearance.objects.filter(owner=user_id).first()
    if row is None:
        return Appearance()
    return Appearance(columns=columns_in(row.columns), density=row.density)


def choose(user: Any, columns: Iterable[str], density: str, **origin: Any) -> Appearance:
    """Keep what a person chose. A density that there is not is the usual one."""
    chosen = Appearance(
        columns=columns_of(columns),
        density=density if density in Density.values else Density.COMFORTABLE,
    )
    with transaction.atomic():
        WorklistAppearance.objects.update_or_create(
            owner=user,
            defaults={
                "columns": ",".join(chosen.columns) if chosen.is_own else "",
                "density": chosen.density,
            },
        )
        audit.record(
            "worklist.appearance.chosen",
            actor=user,
            detail={"columns": list(chosen.columns), "density": chosen.density},
            **origin,
        )
    return chosen


def reset(user: Any, **origin: Any) -> Appearance:
    """Everything as for everybody."""
    with transaction.atomic():
        WorklistAppearance.objects.filter(owner=user).delete()
        audit.record("worklist.appearance.reset", actor=user, **origin)
    return Appearance()
