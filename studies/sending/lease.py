"""One worker per destination, few at a time, and of the failing destinations only one.

So a destination that hangs holds one thread of the worker, never all of them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from studies import lease
from studies.sending.errors import ClaimLost
from studies.sending.models import Destination

AT_ONCE = 2


def busy() -> Any:
    """Destinations that someone works for now."""
    return Destination.objects.filter(lease_until__gte=timezone.now())


def due() -> Any:
    """Enabled destinations that nobody works for and whose pause after a failure is over."""
    now = timezone.now()
    return Destination.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now),
        lease.unheld(),
        is_enabled=True,
    )


class Lease(lease.Lease):
    """A held lease of a destination. `token` is part of every write to its sends."""

    __slots__ = ()

    model: ClassVar = Destination
    lost: ClassVar = ClaimLost
    duration: ClassVar = timedelta(seconds=20)
    renew_after: ClassVar = 5.0

    @classmethod
    def acquire(cls, destination_id: int) -> Lease | None:
        """Take it; None where someone has it, it is not due, or enough others are at work."""
        with transaction.atomic():
            # One taker at a time: what is counted here must still be so when the row is written.
            list(Destination.objects.select_for_update().order_by("id").values_list("id"))
            if busy().count() >= AT_ONCE:
                return None
            wanted = due()
            if busy().filter(failures__gt=0).exists():
                wanted = wanted.filter(failures=0)
            return cls.take(wanted, destination_id)
