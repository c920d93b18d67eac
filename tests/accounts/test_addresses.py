from __future__ import annotations

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from pacs.accounts.addresses import client_address


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "expected"),
    [
        (0, "198.51.100.7", "", "198.51.100.7"),
        (0, "198.51.100.7", "203.0.113.9", "198.51.100.7"),
        (1, "127.0.0.1", "203.0.113.9", "203.0.113.9"),
        (1, "127.0.0.1", "10.0.0.1, 203.0.113.9", "203.0.113.9"),
        (2, "127.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "127.0.0.1", "203.0.113.9", "127.0.0.1"),
        (1, "127.0.0.1", "<script>", "127.0.0.1"),
        (1, "127.0.0.1", "", "127.0.0.1"),
        (0, "::ffff:198.51.100.7", "", "198.51.100.7"),
        (0, "2001:DB8::1", "", "2001:db8::1"),
        (0, "", "", ""),
    ],
)
def test_counts_trusted_proxies_from_the_right(
    settings: Settings, proxies: int, peer: str, forwarded: str, expected: str
) -> None:
    settings.PACS_TRUSTED_PROXIES = proxies
    request = RequestFactory().get(
        "/", REMOTE_ADDR=peer, headers={"X-Forwarded-For": forwarded} if forwarded else {}
    )
    assert client_address(request) == expected
