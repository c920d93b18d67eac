"""Who works at a place: one worker each, few at a time; kept alive while a call lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import ClassVar

import structlog
from django.db import connection

from reports.delivery.models import DeliveryPlace
from studies import lease

log = structlog.get_logger(__name__)


class LeaseLost(Exception):
    """Another worker has the place, or it was switched off: write nothing more."""


class Lease(lease.PlaceLease):
    """A held lease of a place. `token` is part of every write to its deliveries."""

    __slots__ = ()

    model: ClassVar = DeliveryPlace
    lost: ClassVar = LeaseLost
    duration: ClassVar = timedelta(seconds=20)
    renew_after: ClassVar = 5.0
    at_once: ClassVar = 3

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renewed by a thread of its own while the caller waits for somebody else."""
        stop = Event()
        thread = Thread(target=self._renew, args=(stop,), name="delivery-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _renew(self, stop: Event) -> None:
        try:
            while not stop.wait(self.renew_after):
                self.update()
        except LeaseLost:
            pass  # whoever has it now finds the delivery; our write of the outcome will not match
        except Exception as error:
            log.warning("lease not renewed", place=self.pk, error=type(error).__name__)
        finally:
            connection.close()
