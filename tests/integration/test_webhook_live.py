"""The webhook over real HTTP: only a right hint makes the follower look."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time

import pytest

from tests.servers.portal import Portal

pytestmark = pytest.mark.integration


def post(portal: Portal, body: bytes, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", portal.stack.port, timeout=30)
    try:
        connection.request(
            "POST",
            "/api/orthanc/webhook/",
            body,
            {"Content-Type": "application/json", **headers},
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def signed(portal: Portal, body: bytes, *, age: int = 0, secret: str = "") -> dict[str, str]:
    stamp = str(int(time.time()) - age)
    key = (secret or portal.stack.hook_secret).encode()
    digest = hmac.new(key, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {
        "X-Orthanc-Server": "local",
        "X-Orthanc-Timestamp": stamp,
        "X-Orthanc-Signature": f"sha256={digest}",
    }


def test_statuses(portal: Portal) -> None:
    body = json.dumps({"source": "local", "events": []}).encode()
    big = b" " * (5 * 2**20)
    assert post(portal, body, **signed(portal, body)) == 202
    assert post(portal, body, **signed(portal, body, secret="wrong")) == 401
    assert post(portal, body) == 401
    assert post(portal, body, **{**signed(portal, body), "X-Orthanc-Server": "unknown"}) == 401
    assert post(portal, body, **signed(portal, body, age=301)) == 409
    assert post(portal, b"{nonsense", **signed(portal, b"{nonsense")) == 400
    assert post(portal, big, **signed(portal, big)) == 413
    assert portal.stack.health()[0] == 200
