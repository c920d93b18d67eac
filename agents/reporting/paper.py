"""The transport "printer": `print-report` to a site agent's printer."""

from __future__ import annotations

from typing import Any

from agents import protocol
from agents.models import Agent, AgentState, CommandState
from agents.printing import stages
from agents.reporting import handing
from reports.delivery import planning
from reports.delivery.models import Delivery
from reports.delivery.registry import Base, Outcome, Target
from reports.errors import PermanentError, RetriableError

NO_PRINTER = "The site agent has told of no such printer."
# How a print failed of which the agent is sure that no paper came out, and that may go later.
LATER = ("cups", "rejecting", "paused", "portal", "stopping", "interrupted", "audit")
UNCERTAIN = ("uncertain", "printer", "taken-back")


class PrinterTransport(Base):
    """A target for each printer that an agent of the site told of: `{"agent": 5, "printer": ..}`;
    `copies`, `duplex` and `tray` besides, as print-report takes them.
    """

    title = "Printer"
    follows_versions = False
    recall_words = "It was printed on paper: it must be collected by hand."

    def targets(self, site_id: int) -> list[Target]:
        agents = [
            agent
            for agent in Agent.objects.filter(site=site_id, state=AgentState.ACTIVE)
            if protocol.PRINT_REPORT in agent.allowed_commands
        ]
        return [
            _target(agent, {"agent": agent.pk, "printer": each["name"]})
            for agent in agents
            for each in agent.printers
        ]

    def describe(self, site_id: int, data: dict[str, Any]) -> Target:
        """Raises PermanentError where the agent is gone. A printer may come back."""
        if not data.get("printer"):
            raise PermanentError(NO_PRINTER)
        return _target(handing.agent_of(site_id, data), data)

    def deliver(self, delivery: Delivery) -> Outcome:
        """Queue the print of this version, as long as it is the newest."""
        if not planning.is_newest(delivery.version):
            raise PermanentError(planning.SUPERSEDED)
        agent = handing.agent_of(delivery.site_id, delivery.target)
        wanted = {name: value for name, value in delivery.target.items() if name != "agent"}
        params = {"reportId": delivery.version.report_id, **wanted}
        return handing.hand_over(agent, protocol.PRINT_REPORT, params, delivery)

    def progress(self, delivery: Delivery) -> Outcome:
        """queued, printing, printed; or why not, and whether there may be paper."""
        command = handing.command_of(delivery)
        handing.raise_for(command)
        if command.state == CommandState.FAILED:
            words = command.message[:280] or "It was not printed."
            if command.code in LATER:
                raise RetriableError(words)
            raise PermanentError(words, uncertain=command.code in UNCERTAIN)
        if command.state == CommandState.QUEUED:
            return Outcome(is_done=False, progress=handing.waits(command.agent))
        return Outcome(is_done=command.state == CommandState.DONE, progress=stages.words(command))

    def cancel(self, delivery: Delivery) -> bool:
        return handing.take_back(delivery)


def _target(agent: Agent, data: dict[str, Any]) -> Target:
    name = f"{data['printer']} ({agent.name})"
    return Target(name, data, f"{agent.pk}:{data['printer']}", name)
