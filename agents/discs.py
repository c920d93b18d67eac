"""Patient discs: what belongs on one, and who may have it while the command to make it runs.

The agent fetches with its own key, and gets what the person who asked may see now, of the studies
that the command names, from the moment it was sent to its end. Whatever leaves the portal passes
`studies.services.outgoing`, corrections included.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from agents import protocol
from agents.errors import NotPossible
from agents.models import WITH_AGENT, Agent, AgentCommand, CommandState
from agents.permissions import may_command
from pacs import audit
from pacs.accounts.principal import principal_of
from studies.models import Instance, Study
from studies.services.outgoing import Outgoing, dicom_bytes

# A command may begin at the end of its time to live; fetching a large study takes its time.
FETCH_AFTER = timedelta(hours=2)
SHOWN = 5
LOOKED_THROUGH = 200


def require_one_patient(study_ids: Iterable[int]) -> None:
    """A disc is given to a patient. Raises NotPossible where the studies are of several."""
    patients = Study.objects.filter(pk__in=set(study_ids)).values_list("patient_ref_id", flat=True)
    if len(set(patients.order_by())) > 1:
        raise NotPossible("These studies are not of the same patient: a disc is for one.")


def studies_for(agent: Agent, command_id: int) -> tuple[AgentCommand, list[Study]] | None:
    """The studies that this agent may fetch for the command now; None where it may nothing."""
    command = (
        AgentCommand.objects.select_related("agent", "requester")
        .filter(
            pk=command_id,
            agent=agent,
            type=protocol.BURN_DISC,
            state__in=WITH_AGENT,
            cancel_requested_at=None,
            expires_at__gt=timezone.now() - FETCH_AFTER,
        )
        .first()
    )
    if command is None or command.requester is None or not command.requester.is_active:
        return None
    who = principal_of(command.requester)
    if not may_command(who, agent, command.type):
        return None
    wanted = set(command.params["studyIds"])
    found = list(Study.objects.visible_to(who).filter(site=agent.site_id, pk__in=wanted))
    return (command, found) if len(found) == len(wanted) else None


def images_of(command: AgentCommand, studies: list[Study], **where: str) -> list[dict[str, Any]]:
    """Number, size and SHA-256 of every image as it is given, with the fetch in the audit trail.

    `where`: the agent's address.
    """
    rows = Instance.objects.filter(series__study__in=studies).select_related("series__study")
    rows = rows.order_by(
        "series__study_id",
        F("series__series_number").asc(nulls_last=True),
        "series_id",
        F("instance_number").asc(nulls_last=True),
        "id",
    )
    images = [_image(dicom_bytes(instance)) for instance in rows]
    for study in studies:
        # A list that is asked for again within minutes is the same fetch.
        audit.record_read(
            "disc.fetched",
            actor=command.requester,
            study=study,
            session_key=f"command:{command.pk}",
            detail={"agent": command.agent_id, "command": command.pk},
            **where,
        )
    return images


def image_of(studies: list[Study], pk: int) -> Outgoing | None:
    """One image of these studies; None where it is none of theirs."""
    rows = Instance.objects.filter(series__study__in=studies).select_related("series__study")
    instance = rows.filter(pk=pk).first()
    return None if instance is None else dicom_bytes(instance)


def ended(command: AgentCommand) -> None:
    """Note in every study's audit trail what became of the disc. For any command."""
    if command.type != protocol.BURN_DISC:
        return
    studies = Study.objects.filter(pk__in=command.params["studyIds"], site=command.agent.site_id)
    for study in studies:
        audit.record(
            "disc.made",
            actor=command.requester,
            study=study,
            outcome="ok" if command.state == CommandState.DONE else "failed",
            detail={"agent": command.agent_id, "command": command.pk, "code": command.code},
        )


def of_study(study: Study, who: Any) -> list[AgentCommand]:
    """The last commands to make discs of a study, newest first."""
    rows = (
        AgentCommand.objects.visible_to(who)
        .filter(agent__site=study.site_id, type=protocol.BURN_DISC)
        .select_related("agent__site", "requester")
    )
    found = [each for each in rows[:LOOKED_THROUGH] if study.pk in each.params["studyIds"]]
    return found[:SHOWN]


def _image(outgoing: Outgoing) -> dict[str, Any]:
    return {"id": outgoing.instance.pk, "size": outgoing.size, "sha256": outgoing.sha256()}
