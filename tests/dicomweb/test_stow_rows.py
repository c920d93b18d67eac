"""Rows of several requests in one transaction: shared where they can be, spoiled by none."""

from __future__ import annotations

import asyncio
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings

from studies.dicom.payload import Payload
from studies.dicomweb.pool import Pool
from studies.dicomweb.rows import Rows
from studies.models import Instance
from studies.services import ingest
from tests.dicomweb.asking import ct_file

pytestmark = pytest.mark.django_db(transaction=True)


def prepared(site: Any, uid: str) -> ingest.Prepared:
    payload = Payload.read(
        [BytesIO(ct_file(instance=uid)).read()],
        limit=settings.MAX_INSTANCE_BYTES,
        spool_dir=ingest.spool_dir(),
    )
    return ingest.prepare(payload, source="test", site_id=site.pk)


def identity(user: Any) -> Any:
    principal = SimpleNamespace(user_id=user.pk, session_key="token:1")
    return SimpleNamespace(principal=principal, address="192.0.2.7", actor=user)


def test_requests_share_a_transaction_and_no_fault(
    site: Any, technician: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [prepared(site, f"1.2.{n}") for n in range(1, 7)]
    sizes: list[int] = []
    real = ingest.commit

    def commit(batch: list[ingest.Prepared], **options: Any) -> list[ingest.StoreResult]:
        sizes.append(len(batch))
        if any(one.gate and one.gate.sop_instance_uid == "1.2.4" for one in batch):
            raise ValueError("this one cannot be written")
        return real(batch, **options)

    monkeypatch.setattr(ingest, "commit", commit)
    pool = Pool(4, "test-rows")

    async def run() -> list[Any]:
        rows, who = Rows(pool), identity(technician)
        jobs = [rows.commit(who, [file]) for file in files]
        found = await asyncio.gather(*jobs, return_exceptions=True)
        assert not rows._waiting
        return found

    try:
        found = asyncio.run(run())
    finally:
        pool.close()
    assert sizes == [6, 1, 1, 1, 1, 1, 1]
    assert isinstance(found.pop(3), ValueError)
    assert [result[0].sop_instance_uid for result in found] == [f"1.2.{n}" for n in (1, 2, 3, 5, 6)]
    assert Instance.objects.count() == 5
