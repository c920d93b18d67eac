"""Who may have an agent do what: by the person's role at the agent's site."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from agents import protocol
from agents.models import Agent, AgentState
from agents.printing import documents
from pacs.accounts.models import Role, Scope
from pacs.accounts.permissions import principal
from pacs.accounts.principal import Principal
from studies.models import Study

EVERYONE = frozenset({Role.RADIOLOGIST, Role.TECHNICIAN, Role.SITE_ADMIN})
HANDS = frozenset({Role.TECHNICIAN, Role.SITE_ADMIN})
ADMINISTRATORS = frozenset({Role.SITE_ADMIN})
ROLES: dict[str, frozenset[Role]] = {
    protocol.PING: EVERYONE,
    protocol.SCAN_FOLDER: HANDS,
    protocol.UPLOAD_DICOM: HANDS,
    protocol.LIST_PRINTERS: HANDS,
    protocol.PRINT_REPORT: EVERYONE,
    protocol.QUERY_RIS: EVERYONE,
    protocol.SEND_ORU: ADMINISTRATORS,
    protocol.BURN_DISC: EVERYONE,
    protocol.COLLECT_LOG: ADMINISTRATORS,
    protocol.UPDATE: ADMINISTRATORS,
}


def may_command(who: Principal, agent: Agent, command: str) -> bool:
    """Whether the role at the agent's site allows the command."""
    if who.is_superuser:
        return command in ROLES
    roles = ROLES.get(command, frozenset())
    return any((agent.site_id, role.value) in who.roles for role in roles)


def commandable(who: Principal, site: int, command: str) -> list[Agent]:
    """The active agents of a site that the person may give the command."""
    rows = Agent.objects.visible_to(who).filter(site=site, state=AgentState.ACTIVE)
    return [each for each in rows.select_related("site") if may_command(who, each, command)]


def reaches_subjects(who: Principal, agent: Agent, command: str, params: dict[str, Any]) -> bool:
    """Whether everything that the command names belongs to the agent's site and is visible."""
    if command == protocol.BURN_DISC:
        wanted = set(params["studyIds"])
        found = Study.objects.visible_to(who).filter(site=agent.site_id, pk__in=wanted)
        return found.count() == len(wanted)
    if command == protocol.PRINT_REPORT and params["reportId"] is not None:
        # Where there are no reports at all, the command itself says so.
        if not documents.is_known(documents.REPORT):
            return True
        report = documents.find(documents.REPORT, params["reportId"], who)
        return report is not None and report.site == agent.site_id
    return True


class SeesAgents(BasePermission):
    """Radiologists, technicians and administrators of a site; commanding needs "write"."""

    message = "Your role has no agents, or the token lacks the scope for it."

    def has_permission(self, request: Request, view: Any) -> bool:
        who = principal(request)
        scope = Scope.READ if request.method in SAFE_METHODS else Scope.WRITE
        return (
            who is not None
            and (who.is_superuser or bool(who.whole_sites))
            and scope.value in who.scopes
        )
