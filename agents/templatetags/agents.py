"""What pages show of agents."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import template
from django.template.defaultfilters import date as written
from django.utils import timezone

from agents.models import Agent, AgentCommand, AgentState
from agents.printing import stages
from pacs.accounts.principal import principal_of

register = template.Library()
PARAMS = {
    "path": "Folder",
    "filePath": "File",
    "reportId": "Report",
    "testPage": "Test page",
    "printer": "Printer",
    "copies": "Copies",
    "duplex": "Sides",
    "tray": "Tray",
    "name": "Query",
    "params": "Parameters",
    "receiver": "Receiver",
    "controlId": "Control ID",
    "report": "Report",
    "text": "Text",
    "pdf": "PDF",
    "pdfPath": "PDF at",
    "pdfSha256": "SHA-256 of the PDF",
    "studyIds": "Studies",
    "target": "Drive",
    "lines": "Lines",
    "version": "Version",
}


REFUSALS = {
    "unknown-order": "there is no such order",
    "several-orders": "several orders have that number",
    "other-patient": "the number is another patient's",
    "unknown-report": "there is no such report to withdraw",
    "several-patients": "several patients have that number",
    "birth-date": "the birth date differs from the patient's",
    "no-pdf": "its PDF is not whole",
    "base64": "its PDF is not in base64",
    "empty": "the report is empty",
}


@register.filter
def refusals(outcomes: Any) -> list[str]:
    """Why something of a message of the RIS was not applied, in words."""
    reasons = [str(each.get("why", "")) for each in outcomes or [] if each.get("why")]
    return sorted({REFUSALS.get(each, each) for each in reasons})


@register.simple_tag
def silent_agents(user: Any) -> int | None:
    """How many agents of the user's sites are silent; None for who has no agents."""
    if not user.is_authenticated:
        return None
    who = principal_of(user)
    if not (who.is_superuser or who.whole_sites):
        return None
    silent = Agent.objects.visible_to(who).filter(
        silent_since__isnull=False, state=AgentState.ACTIVE
    )
    return int(silent.count())


@register.filter
def condition(agent: Agent) -> str:
    """A word for how an agent is: online, offline, silent, new or disabled."""
    if agent.state != AgentState.ACTIVE:
        return str(agent.state)
    if agent.is_online:
        return "online"
    return "silent" if agent.silent_since else "offline"


@register.filter
def condition_words(agent: Agent) -> str:
    """The same for people."""
    words = {
        "online": "Online",
        "offline": "Offline",
        "silent": "Silent",
        "new": "Not enrolled",
        "disabled": "Switched off",
    }
    return words[condition(agent)]


@register.filter
def state_words(command: AgentCommand) -> str:
    """A command's state for people; of a print, whether it is queued, printing or printed."""
    return stages.words(command)


@register.filter
def print_stage(command: AgentCommand) -> str:
    """How far a print is, for programs."""
    return stages.stage(command)


@register.filter
def param_words(name: str) -> str:
    """A parameter's name for people."""
    return PARAMS.get(name, name)


@register.filter
def as_text(value: Any) -> str:
    """A value of a command's parameters or result: text as it is, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


@register.filter
def reported_at(text: Any) -> str:
    """An agent's time (ISO 8601 text) in the zone of the page; "" where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return ""
    return str(written(timezone.localtime(moment), "Y-m-d H:i"))
