"""Telling a reader, and nobody else, that a study is no longer theirs."""

from __future__ import annotations

from typing import Any

from pacs import events
from pacs.accounts.principal import Principal

LOST = "reading.lost"


def lost(study: Any, former: int) -> None:
    """Tell the open pages of the user `former`, after the commit of the caller's transaction."""
    events.publish(LOST, site=study.site_id, study=study.pk, former=former)


def _is_former(event: dict[str, Any], who: Principal) -> bool:
    return event.get("former") == who.user_id


def connect() -> None:
    """Address the notice; called once at start."""
    from studies import consumers

    consumers.address(LOST, _is_former)
