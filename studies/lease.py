"""One worker at a row at a time: a lease whose fencing token is part of everything it writes.

The rows are of models with `lease_token`, `lease_until` and `is_enabled`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any, ClassVar, Self

from django.db import transaction
from django.db.models import F, Model, Q, QuerySet
from django.utils import timezone


def unheld() -> Q:
    """Rows that nobody works for now."""
    return Q(lease_until=None) | Q(lease_until__lt=timezone.now())


def pause_after(failures: int, *, first: float, longest: float) -> timedelta:
    """How long to wait after so many failures: twice as long each time, a little apart."""
    seconds = min(longest, first * 2.0 ** min(failures, 30))
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311


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


class PlaceLease(Lease):
    """The lease of a place that work is sent to: few places at a time, of the failing only one.

    So a place that hangs holds one thread of the worker, never all of them. Its model has
    `failures` and `next_attempt_at` as well.
    """

    __slots__ = ()

    at_once: ClassVar[int] = 2

    @classmethod
    def busy(cls) -> QuerySet[Any]:
        """Places that someone works for now."""
        return cls._rows().filter(lease_until__gte=timezone.now())

    @classmethod
    def due(cls) -> QuerySet[Any]:
        """Enabled places that nobody works for and whose pause after a failure is over."""
        return cls._rows().filter(
            Q(next_attempt_at=None) | Q(next_attempt_at__lte=timezone.now()),
            unheld(),
            is_enabled=True,
        )

    @classmethod
    def acquire(cls, pk: int) -> Self | None:
        """Take it; None where someone has it, it is not due, or enough others are at work."""
        with transaction.atomic():
            # One taker at a time: what is counted here must still be so when the row is written.
            list(cls._rows().select_for_update().order_by("id").values_list("id"))
            busy = cls.busy()
            if busy.count() >= cls.at_once:
                return None
            wanted = cls.due()
            if busy.filter(failures__gt=0).exists():
                wanted = wanted.filter(failures=0)
            return cls.take(wanted, pk)
