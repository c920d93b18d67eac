"""Who works for a destination: one worker each, few at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from studies import lease
from studies.sending.errors import ClaimLost
from studies.sending.models import Destination


class Lease(lease.PlaceLease):
    """A held lease of a destination. `token` is part of every write to its sends."""

    __slots__ = ()

    model: ClassVar = Destination
    lost: ClassVar = ClaimLost
    duration: ClassVar = timedelta(seconds=20)
    renew_after: ClassVar = 5.0


busy, due = Lease.busy, Lease.due
