"""One follower per server; a holder that lost its lease writes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from pacs.accounts.models import Site
from studies.models import OrthancServer
from studies.orthanc.lease import Lease, LeaseLost


@pytest.fixture
def server(site: Site) -> OrthancServer:
    return OrthancServer.objects.create(
        site=site, slug="ct1", name="CT 1", base_url="http://127.0.0.1:1"
    )


def expire(server: OrthancServer) -> None:
    OrthancServer.objects.filter(pk=server.pk).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


@pytest.mark.django_db(transaction=True)
def test_of_many_followers_one_gets_the_lease(server: OrthancServer) -> None:
    def attempt(_: int) -> Lease | None:
        try:
            return Lease.acquire(server.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        taken = [lease for lease in pool.map(attempt, range(24)) if lease]
    assert len(taken) == 1


@pytest.mark.django_db
def test_an_expired_holder_cannot_move_the_cursor(server: OrthancServer) -> None:
    first = Lease.acquire(server.pk)
    assert first is not None
    first.update(cursor=10)
    assert Lease.acquire(server.pk) is None
    expire(server)
    second = Lease.acquire(server.pk)
    assert second is not None
    assert second.token == first.token + 1
    with pytest.raises(LeaseLost):
        first.update(cursor=5)
    first.release()
    second.update(cursor=11)
    server.refresh_from_db()
    assert server.cursor == 11
    assert server.lease_until is not None


@pytest.mark.django_db
def test_a_disabled_server_is_not_followed(server: OrthancServer) -> None:
    lease = Lease.acquire(server.pk)
    assert lease is not None
    OrthancServer.objects.filter(pk=server.pk).update(is_enabled=False)
    with pytest.raises(LeaseLost):
        lease.update(cursor=1)
    lease.release()
    assert Lease.acquire(server.pk) is None
