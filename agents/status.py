"""The agents' panel of the status page."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse
from prometheus_client.core import GaugeMetricFamily

from agents.models import Agent, AgentState
from studies.status.registry import Level, Line, Panel, Reach


def panel(reach: Reach) -> Panel:
    rows = reach.within(Agent.objects.select_related("site")).order_by("site__name", "name")
    return Panel(
        "agents",
        "Agents",
        [_line(agent) for agent in rows],
        empty="No site agent is entered.",
    )


def numbers() -> Iterable[GaugeMetricFamily]:
    """Agents for `/metrics`."""
    active = Agent.objects.filter(state=AgentState.ACTIVE)
    yield GaugeMetricFamily("lightbox_agents", "Active agents", value=active.count())
    online = active.online().count()
    yield GaugeMetricFamily("lightbox_agents_online", "Agents online", value=online)


def _line(agent: Agent) -> Line:
    level, words, problem = Level.WARN, "Not connected", ""
    if agent.state != AgentState.ACTIVE:
        level, words = Level.IDLE, agent.get_state_display()
    elif agent.is_online:
        level, words = Level.OK, "Online"
    elif agent.silent_since:
        level, words = Level.STAT, "Silent"
        problem = "What it is asked to do waits. Look whether its machine reaches the portal."
    return Line(
        agent.name,
        level,
        words,
        where=agent.site.name,
        facts=(
            ("Last heard of", agent.last_seen_at or "never"),
            ("Version", agent.version or "not known yet"),
            ("Queue", agent.queue_length),
        ),
        problem=problem,
        link=reverse("agent", args=[agent.pk]),
    )
