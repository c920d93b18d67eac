"""What pages of studies show of agents: the button for discs, and whether there are scanners."""

from __future__ import annotations

from typing import Any

from django import template

from agents.models import Agent, AgentState
from agents.views.discs import burners
from pacs.accounts.principal import principal_of
from studies.models import Study

register = template.Library()


@register.simple_tag
def may_make_disc(user: Any, study: Study) -> bool:
    """Whether an agent of the study's site makes discs for the user."""
    return bool(burners(principal_of(user), study))


@register.simple_tag
def has_scanners(user: Any) -> bool:
    """Whether an agent of the user's sites has a scanner."""
    rows = Agent.objects.visible_to(user).filter(state=AgentState.ACTIVE)
    return bool(rows.exclude(scanners=[]).exists())
