"""The portal with a MongoDB of its own for one test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from studies.documents import delivery, health, mongo
from studies.documents.models import DocumentChange
from tests.servers.mongo import MongoServer


@contextmanager
def mongo_home(server: MongoServer, settings: Any) -> Iterator[str]:
    """MONGODB_URL names an empty database on the server; the address."""
    if not server.child.running:
        server.start()
    settings.MONGODB_URL = server.url(f"t{uuid4().hex[:12]}")
    health.read_again()
    try:
        yield settings.MONGODB_URL
    finally:
        health.read_again()
        mongo.close()


def deliver_all() -> None:
    """What a worker does until all is there and reads go to MongoDB."""
    delivery.watch()
    assert not delivery.run()
    assert not DocumentChange.objects.exists()
    assert health.may_read(), health.row().last_error


def wait_is_over() -> None:
    """The pauses after failures end now."""
    from django.utils import timezone

    health.rows().update(paused_until=None)
    DocumentChange.objects.filter(next_attempt_at__isnull=False).update(
        next_attempt_at=timezone.now()
    )
