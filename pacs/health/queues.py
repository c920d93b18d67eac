"""How many messages wait in the broker, by queue."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import redis
from django.conf import settings

QUEUES = ("follow", "ingest", "render", "backup", "deliver", "default")
SECONDS = 2.0


class BrokerUnavailable(Exception):
    """The broker does not say."""


def depths() -> dict[str, int]:
    """Messages that no worker has taken yet. Raises BrokerUnavailable."""
    if settings.REDIS_URL:
        return _at_redis()
    folder = Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("data_folder_in", ""))
    try:
        waiting = Counter(
            parts[-2]
            for each in folder.glob("*.msg")
            if len(parts := each.name.rsplit(".", 2)) == 3
        )
    except OSError as error:
        raise BrokerUnavailable from error
    return {queue: waiting[queue] for queue in QUEUES}


def _at_redis() -> dict[str, int]:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS
        ) as client:
            return {queue: int(client.llen(queue)) for queue in QUEUES}  # type: ignore[arg-type]
    except (redis.RedisError, OSError) as error:
        raise BrokerUnavailable from error
