"""The transport "oru-agent": `send-oru` to a receiver that a site agent knows by name."""

from __future__ import annotations

import re
from typing import Any

from agents import protocol
from agents.models import Agent, AgentState, CommandState
from agents.reporting import handing
from reports.delivery import registry, renderings
from reports.delivery.models import Delivery, DeliveryPlace
from reports.delivery.registry import Base, Outcome, Settings, Target
from reports.delivery.transports.oru import control_id
from reports.errors import PermanentError, RetriableError

NAME = "oru-agent"
GONE = "This receiver is no longer there or switched off."
# The agent tells of AE and AR with the same code and these words.
ANSWER = re.compile(r"answered (\w\w)\b")
LATER = ("unreachable", "pdf", "stopping", "interrupted", "audit", "portal")


class AgentOruTransport(Base):
    """Places that an administrator enters: an agent, and the name of a receiver there."""

    title = "HL7 (ORU) through a site agent"
    is_entered = True

    def targets(self, site_id: int) -> list[Target]:
        return registry.entered(NAME, site_id)

    def describe(self, site_id: int, data: dict[str, Any]) -> Target:
        """Raises PermanentError where the place is gone."""
        return registry.of_place(_place(site_id, data))

    def clean_settings(self, site_id: int, values: dict[str, Any]) -> Settings:
        """`agent`, by its name, and `receiver`, as the agent's configuration calls it."""
        problems = {}
        agent = Agent.objects.filter(
            site=site_id, name=values.get("agent") or "", state=AgentState.ACTIVE
        ).first()
        if agent is None:
            problems["agent"] = "The site has no active agent of this name."
        if not values.get("receiver"):
            problems["receiver"] = "Name a receiver of the agent's configuration."
        number = agent.pk if agent is not None else 0
        return Settings(
            {"agent": number, "agent_name": values.get("agent"), "receiver": values["receiver"]},
            problems,
        )

    def deliver(self, delivery: Delivery) -> Outcome:
        """Queue the message; the agent fetches the PDF."""
        place = _place(delivery.site_id, delivery.target)
        agent = handing.agent_of(delivery.site_id, place.settings)
        content = renderings.oru(delivery.version, withdrawn=delivery.is_recall)
        params = {
            "receiver": place.settings["receiver"],
            "controlId": control_id(delivery),
            "report": content["report"],
            "text": content["text"],
            "pdfPath": f"/api/agents/deliveries/{delivery.pk}/pdf/",
            "pdfSha256": renderings.sha256_of_pdf(delivery.version),
        }
        return handing.hand_over(agent, protocol.SEND_ORU, params, delivery)

    def progress(self, delivery: Delivery) -> Outcome:
        """Acknowledged, or why not: AR is final, anything else is tried again."""
        command = handing.command_of(delivery)
        handing.raise_for(command)
        if command.state == CommandState.DONE:
            code = str(command.result.get("acknowledgement", ""))[:2]
            return Outcome(is_done=True, progress=f"Acknowledged {code}")
        if command.state == CommandState.FAILED:
            raise _error(command.code, command.message)
        if command.state == CommandState.QUEUED:
            return Outcome(is_done=False, progress=handing.waits(command.agent))
        return Outcome(is_done=False, progress="With the site agent")

    def cancel(self, delivery: Delivery) -> bool:
        return handing.take_back(delivery)


def _error(code: str, message: str) -> PermanentError | RetriableError:
    if code == "refused":
        found = ANSWER.search(message)
        answer = found[1] if found else "AR"
        # What the receiver says may quote the message: only its code is shown.
        words = f"The receiver answered {answer}."
        return PermanentError(words) if answer in ("AR", "CR") else RetriableError(words)
    if code == "uncertain":
        return RetriableError(
            "The report was sent and not acknowledged. It is sent again under the same number.",
            uncertain=True,
        )
    if code in LATER:
        return RetriableError("The site agent could not send it to the receiver.")
    return PermanentError("The site agent refused to send it; see the command's page.")


def _place(site_id: int, data: dict[str, Any]) -> DeliveryPlace:
    found = registry.entered_place(site_id, NAME, data)
    if found is None or not found.is_enabled:
        raise PermanentError(GONE)
    return found
