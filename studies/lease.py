"""One worker at a row at a time: a lease whose fencing token is part of everything it writes.

The rows are of models with `lease_token`, `lease_until` and `is_enabled`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any, ClassVar, Self

from django.db.models import F, Model, Q, QuerySet
from django.utils import timezone


def unheld() -> Q:
    """Rows that nobody works for now."""
    return Q(lease_until=None) | Q(lease_until__lt=timezone.now())


@dataclass(slots=True)
class Lease:
    """A held lease of the row `pk`; subclasses say of which model, and how long it lasts."""

    model: ClassVar[type[Model]]
    lost: ClassVar[type[Exception]]
    """Raised where another has taken over: whatever we meant to write must not be written."""
    duration: ClassVar[timedelta]
    renew_after: ClassVar[float]

    pk: int
    token: int
    renewed: float = field(default_factory=monotonic)

    @classmethod
    def take(cls, rows: QuerySet[Any], pk: int) -> Self | None:
        """Take the lease of `pk` if it is among `rows`, else None: a compare-and-set."""
        taken = rows.filter(pk=pk).update(
            lease_token=F("lease_token") + 1, lease_until=timezone.now() + cls.duration
        )
        if not taken:
            return None
        return cls(pk, cls._rows().values_list("lease_token", flat=True).get(pk=pk))

    def update(self, **values: Any) -> None:
        """Write to the row as its holder, and renew; raises `lost` where we are not."""
        updated = (
            self._held()
            .filter(is_enabled=True)
            .update(lease_until=timezone.now() + self.duration, **values)
        )
        if not updated:
            raise self.lost
        self.renewed = monotonic()

    def keep(self) -> None:
        """Renew when it is time to."""
        if monotonic() - self.renewed > self.renew_after:
            self.update()

    def release(self) -> None:
        """Let the next one in."""
        self._held().update(lease_until=None)

    def _held(self) -> QuerySet[Any]:
        return self._rows().filter(pk=self.pk, lease_token=self.token)

    @classmethod
    def _rows(cls) -> QuerySet[Any]:
        return cls.model._default_manager.all()
