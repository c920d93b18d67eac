"""One follower per server: a lease whose fencing token is part of every update of the cursor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from studies.models import OrthancServer

LEASE = timedelta(seconds=15)
RENEW_AFTER = 4.0


class LeaseLost(Exception):
    """Another follower has taken over; whatever we meant to write must not be written."""


@dataclass(slots=True)
class Lease:
    """A held lease."""

    server_id: int
    token: int
    renewed: float

    @classmethod
    def acquire(cls, server_id: int) -> Lease | None:
        """Take the lease, or None where someone holds it or the server is disabled."""
        now = timezone.now()
        taken = OrthancServer.objects.filter(
            Q(lease_until=None) | Q(lease_until__lt=now), pk=server_id, is_enabled=True
        ).update(lease_token=F("lease_token") + 1, lease_until=now + LEASE)
        if not taken:
            return None
        token = OrthancServer.objects.values_list("lease_token", flat=True).get(pk=server_id)
        return cls(server_id, token, monotonic())

    def update(self, **values: Any) -> None:
        """Write to the server's row as its holder, and renew; LeaseLost where we are not."""
        updated = OrthancServer.objects.filter(
            pk=self.server_id, lease_token=self.token, is_enabled=True
        ).update(lease_until=timezone.now() + LEASE, **values)
        if not updated:
            raise LeaseLost
        self.renewed = monotonic()

    def keep(self) -> None:
        """Renew when it is time to."""
        if monotonic() - self.renewed > RENEW_AFTER:
            self.update()

    def release(self) -> None:
        """Let the next one in."""
        OrthancServer.objects.filter(pk=self.server_id, lease_token=self.token).update(
            lease_until=None
        )
