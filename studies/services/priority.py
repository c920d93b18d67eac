"""The priority of a study."""

from __future__ import annotations

from typing import Any

from pacs import audit, events
from studies.models import Study


def set_priority(
    study: Study, priority: int, actor: Any = None, *, why: str, **origin: Any
) -> bool:
    """Give a study another priority, in the caller's transaction. True where it changed.

    `origin`: address and session_key of the trail.
    """
    changed = Study.objects.filter(pk=study.pk).exclude(priority=priority).update(priority=priority)
    if not changed:
        return False
    study.priority = priority
    audit.record(
        "study.priority",
        actor=actor,
        study=study,
        detail={"priority": int(priority), "why": why},
        **origin,
    )
    events.publish("study.changed", site=study.site_id, study=study.pk)
    return True
