"""One worker per destination, few at a time, and of the failing destinations only one.

So a destination that hangs holds one thread of the worker, never all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from studies.sending.errors import ClaimLost
from studies.sending.models import Destination

LEASE = timedelta(seconds=20)
RENEW_AFTER = 5.0
AT_ONCE = 2


def busy() -> Any:
    """Destinations that someone works for now."""
    return Destination.objects.filter(lease_until__gte=timezone.now())


def due() -> Any:
    """Enabled destinations that nobody works for and whose pause after a failure is over."""
    now = timezone.now()
    return Destination.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now),
        Q(lease_until=None) | Q(lease_until__lt=now),
        is_enabled=True,
    )


@dataclass(slots=True)
class Lease:
    """A held lease. `token` is part of every write to the sends of the destination."""

    destination_id: int
    token: int
    renewed: float

    @classmethod
    def acquire(cls, destination_id: int) -> Lease | None:
        """Take it; None where someone has it, it is not due, or enough others are at work."""
        with transaction.atomic():
            # One taker at a time: what is counted here must still be so when the row is written.
            list(Destination.objects.select_for_update().order_by("id").values_list("id"))
            if busy().count() >= AT_ONCE:
                return None
            wanted = due().filter(pk=destination_id)
            if busy().filter(failures__gt=0).exists():
                wanted = wanted.filter(failures=0)
            taken = wanted.update(
                lease_token=F("lease_token") + 1, lease_until=timezone.now() + LEASE
            )
        if not taken:
            return None
        token = Destination.objects.values_list("lease_token", flat=True).get(pk=destination_id)
        return cls(destination_id, token, monotonic())

    def update(self, **values: Any) -> None:
        """Write to the destination's row as its holder, and renew; ClaimLost where we are not."""
        updated = Destination.objects.filter(
            pk=self.destination_id, lease_token=self.token, is_enabled=True
        ).update(lease_until=timezone.now() + LEASE, **values)
        if not updated:
            raise ClaimLost
        self.renewed = monotonic()

    def keep(self) -> None:
        """Renew when it is time to."""
        if monotonic() - self.renewed > RENEW_AFTER:
            self.update()

    def release(self) -> None:
        """Let the next one in."""
        Destination.objects.filter(pk=self.destination_id, lease_token=self.token).update(
            lease_until=None
        )
