"""Telling reports.delivery that commands of its deliveries have ended."""

from __future__ import annotations

from functools import partial

from django.db import transaction

KEY = "delivery:"
"""What idempotency keys of such commands begin with; the delivery's number follows."""


def ended(keys: list[str]) -> None:
    """Commands with these idempotency keys have ended: their deliveries are asked after."""
    from reports.delivery.tasks import follow_delivery

    for key in keys:
        number = key.removeprefix(KEY).partition(":")[0]
        if key.startswith(KEY) and number.isdigit():
            transaction.on_commit(partial(follow_delivery.delay, int(number)))
