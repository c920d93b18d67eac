"""`/healthz` and `/readyz`: 200 only when every part that the portal needs answers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import close_old_connections, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from pacs.health import parts as more_parts
from pacs.health.models import Heartbeat

log = structlog.get_logger(__name__)
TIMEOUT = 5.0


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _archive() -> str:
    """A file written, read back and removed."""
    archive = storages["archive"]
    content = secrets.token_bytes(16)
    key = archive.save(f"health/{secrets.token_hex(8)}", ContentFile(content))
    try:
        with archive.open(key) as handle:
            return "ok" if handle.read() == content else "reads back other bytes"
    finally:
        archive.delete(key)


def _worker() -> str:
    beat = Heartbeat.objects.filter(name="worker").first()
    if beat is None:
        return "has not reported yet"
    age = timezone.now() - beat.at
    if age > timedelta(seconds=settings.WORKER_HEARTBEAT_STALE_SECONDS):
        return f"silent for {int(age.total_seconds())} s"
    return "ok"


async def _channel_layer() -> str:
    layer = get_channel_layer()
    if layer is None:
        return "not configured"
    name = await layer.new_channel()
    await layer.send(name, {"type": "health"})
    await layer.receive(name)
    return "ok"


def _with_connection(part: Callable[[], str | None]) -> str | None:
    """In a thread that no request begins in: what broke or grew old is not used again."""
    close_old_connections()
    try:
        return part()
    finally:
        close_old_connections()


async def _ask(name: str, part: Callable[[], str | None]) -> str | None:
    try:
        async with asyncio.timeout(TIMEOUT):
            return await sync_to_async(_with_connection, thread_sensitive=False)(part)
    except TimeoutError:
        return "does not answer"
    except Exception as error:
        log.error("health check failed", part=name, error=type(error).__name__)
        return "fails"


def _migrations() -> str:
    """Whether the database is as this program wants it; an older program goes on with a newer."""
    executor = MigrationExecutor(connection)
    return "not applied" if executor.migration_plan(executor.loader.graph.leaf_nodes()) else "ok"


async def _layer() -> str:
    try:
        async with asyncio.timeout(TIMEOUT):
            return await _channel_layer()
    except TimeoutError:
        return "does not answer"
    except Exception as error:
        log.error("health check failed", part="channel_layer", error=type(error).__name__)
        return "fails"


async def readyz(request: HttpRequest) -> JsonResponse:
    """Whether this process can take requests: what else works is no matter of a proxy's."""
    return _answer(
        {
            "database": await _ask("database", _database),
            "migrations": await _ask("migrations", _migrations),
            "channel_layer": await _layer(),
        }
    )


async def healthz(request: HttpRequest) -> JsonResponse:
    """Names each part; 503 when one is not ok. Tells nothing about data.

    "degraded" with 200: what is not ok is one that the portal does without for a while.
    """
    asked = {name: await _ask(name, part) for name, part in more_parts.added().items()}
    return _answer(
        {
            "database": await _ask("database", _database),
            "archive": await _ask("archive", _archive),
            "worker": await _ask("worker", _worker),
            "channel_layer": await _layer(),
        },
        {name: state for name, state in asked.items() if state is not None},
    )


def _answer(
    parts: Mapping[str, str | None], spared: Mapping[str, str | None] | None = None
) -> JsonResponse:
    """503 where one of `parts` is not ok; those that are `spared` are named only."""
    healthy = all(state == "ok" for state in parts.values())
    others = dict(spared or {})
    degraded = any(state != "ok" for state in others.values())
    status = "unavailable" if not healthy else "degraded" if degraded else "ok"
    answer = JsonResponse(
        {"status": status, "parts": {**parts, **others}},
        status=200 if healthy else 503,
        headers={"Cache-Control": "no-store"},
    )
    answer._has_been_logged = True  # type: ignore[attr-defined] # 503 is an answer, not an error
    return answer
