"""Handing a delivery to an agent as a command, and reading from the command how it stands."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from agents import commands, protocol
from agents.errors import NotPossible
from agents.models import Agent, AgentCommand, AgentState, CommandState
from agents.reporting.told import KEY
from reports.delivery.models import Delivery
from reports.delivery.registry import Outcome
from reports.errors import PermanentError, RetriableError

AGENT_GONE = "This site agent is no longer there or switched off."
LOST = "The site agent was lost with it. Whether it was done is not known."


def agent_of(site_id: int, data: dict[str, Any]) -> Agent:
    """The active agent that a target names. Raises PermanentError."""
    number = data.get("agent")
    found: Agent | None = (
        Agent.objects.filter(pk=number, site=site_id, state=AgentState.ACTIVE)
        .select_related("site")
        .first()
        if isinstance(number, int)
        else None
    )
    if found is None:
        raise PermanentError(AGENT_GONE)
    return found


def hand_over(agent: Agent, type: str, params: dict[str, Any], delivery: Delivery) -> Outcome:
    """Queue the command; the same try of a delivery is the same command.

    It lives as long as the delivery. Raises PermanentError, RetriableError.
    """
    left = (delivery.give_up_at - timezone.now()).total_seconds()
    try:
        command, _ = commands.queue(
            agent,
            type,
            params,
            requester=delivery.requester,
            ttl=max(int(left), 60),
            idempotency_key=f"{KEY}{delivery.pk}:{delivery.attempts}",
        )
    except protocol.ProtocolError as error:
        raise PermanentError("The site agent would not take it.") from error
    except NotPossible as error:
        raise RetriableError(str(error)) from error
    return Outcome(is_done=False, reference=str(command.pk), progress=waits(agent))


def waits(agent: Agent) -> str:
    """What a command that was not begun waits for."""
    return "Queued" if agent.is_online else "Queued: the site agent is offline"


def command_of(delivery: Delivery) -> AgentCommand:
    """The command that a delivery became. Raises RetriableError where it is gone."""
    number = delivery.reference
    found: AgentCommand | None = (
        AgentCommand.objects.select_related("agent__site", "requester")
        .filter(pk=int(number), agent__site=delivery.site_id)
        .first()
        if number.isdigit()
        else None
    )
    if found is None:
        raise RetriableError("The site agent's command is gone.", uncertain=True)
    return found


def raise_for(command: AgentCommand) -> None:
    """Raises for a command that was cancelled, expired or lost; nothing for the others."""
    words = command.message[:280]
    if command.state == CommandState.CANCELLED:
        raise PermanentError(words or "It was cancelled.", cancelled=True)
    if command.state == CommandState.EXPIRED:
        raise PermanentError(words or "The site agent did not begin it in time.")
    if command.state == CommandState.FAILED and command.code == commands.LOST:
        raise PermanentError(LOST, uncertain=True)


def take_back(delivery: Delivery) -> bool:
    """Cancel the command; True where it had not been sent to the agent."""
    try:
        command = command_of(delivery)
        if command.is_open:
            commands.cancel(command, actor=delivery.requester)
    except (NotPossible, RetriableError):
        return False
    command.refresh_from_db()
    return command.state == CommandState.CANCELLED and command.attempts == 0
