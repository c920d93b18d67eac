"""One follower per server: a lease whose fencing token is part of every update of the cursor."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from studies import lease
from studies.models import OrthancServer


class LeaseLost(Exception):
    """Another follower has taken over; whatever we meant to write must not be written."""


class Lease(lease.Lease):
    """A held lease of an Orthanc server."""

    __slots__ = ()

    model: ClassVar = OrthancServer
    lost: ClassVar = LeaseLost
    duration: ClassVar = timedelta(seconds=15)
    renew_after: ClassVar = 4.0

    @classmethod
    def acquire(cls, server_id: int) -> Lease | None:
        """Take the lease, or None where someone holds it or the server is disabled."""
        return cls.take(OrthancServer.objects.filter(lease.unheld(), is_enabled=True), server_id)
