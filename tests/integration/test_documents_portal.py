"""The whole product with MONGODB_URL: its worker delivers, its healthz says what is the matter."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pymongo
import pytest

from tests.dicomweb.asking import ct_file
from tests.servers.mongo import MongoServer
from tests.servers.portal import Portal
from tests.servers.stack import Stack

pytestmark = pytest.mark.integration


def until(stack: Stack, wanted: str, seconds: float = 40) -> dict[str, Any]:
    """/healthz, once its status is `wanted`."""
    end = monotonic() + seconds
    while True:
        code, text = stack.health()
        answer: dict[str, Any] = json.loads(text) if text else {}
        if answer.get("status") == wanted:
            assert code == 200
            return answer
        assert monotonic() < end, f"{wanted}: {answer}\n{stack.tail()}"
        sleep(0.1)


def test_down_at_the_start_and_then_there(tmp_path: Path) -> None:
    server = MongoServer(tmp_path / "mongo")
    with Stack(tmp_path / "portal", env={"MONGODB_URL": server.url()}) as stack:
        portal = Portal(stack)
        assert portal.upload(ct_file(number=1))[0] == 201
        said = until(stack, "degraded")["parts"]["documents"]
        assert said.startswith("MongoDB does not answer")
        study = "1.2.826.0.1.3680043.10.9.1"
        assert portal.count(study) == 1
        server.start()
        try:
            assert until(stack, "ok", 90)["parts"]["documents"] == "ok"
            assert portal.upload(ct_file(number=2))[0] == 201
            with pymongo.MongoClient(server.url()) as client:
                found = client["lightbox"]["documents"]
                end = monotonic() + 30
                while found.count_documents({"study": study}) < 2:
                    assert monotonic() < end, stack.tail()
                    sleep(0.1)
        finally:
            server.stop()
