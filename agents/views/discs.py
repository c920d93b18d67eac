"""Discs: the images for the agent that makes one, and the dialog of a study."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django import forms
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import admission, commands, discs, protocol
from agents.errors import NotPossible
from agents.models import Agent, AgentCommand, AgentKey
from agents.permissions import commandable, reaches_subjects
from agents.protocol import ProtocolError
from agents.views.serializers import DiscImages
from pacs.accounts.addresses import client_address, page_origin
from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record_read
from studies.models import Arrival, Study
from studies.services.outgoing import Outgoing
from studies.views.problems import NOT_FOUND, UNAUTHENTICATED
from studies.views.worklist import signed_in

CHUNK = 256 * 1024
OTHERS_SHOWN = 30
REFUSED: dict[int, Any] = {401: UNAUTHENTICATED, 404: NOT_FOUND}


class ForAgents(APIView):
    """Answers agents' keys only, from their networks, while the command for a disc runs."""

    authentication_classes: Any = ()
    permission_classes: Any = ()
    http_method_names = ("get", "options")

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def permitted(self, request: Request, cid: int) -> tuple[AgentCommand, list[Study]]:
        """The command and its studies. 401 without a key, 404 for everything else."""
        key = AgentKey.find(admission.bearer(request.headers.get("Authorization", "")))
        if key is None:
            raise exceptions.NotAuthenticated
        if not key.agent.may_connect_from(client_address(request._request)):
            raise exceptions.NotFound
        found = discs.studies_for(key.agent, cid)
        if found is None:
            raise exceptions.NotFound
        return found


class DiscImagesView(ForAgents):
    """`GET /api/agents/commands/{cid}/images/`: what belongs on the disc of this command."""

    @extend_schema(operation_id="disc_images", responses={200: DiscImages, **REFUSED})
    def get(self, request: Request, cid: int) -> Response:
        command, studies = self.permitted(request, cid)
        where = {"address": client_address(request._request)}
        return Response(DiscImages({"images": discs.images_of(command, studies, **where)}).data)


class DiscImageView(ForAgents):
    """`GET /api/agents/commands/{cid}/images/{id}/`: one of them, as a DICOM file."""

    @extend_schema(
        operation_id="disc_image",
        responses={
            (200, "application/dicom"): OpenApiResponse(OpenApiTypes.BINARY, "The file."),
            **REFUSED,
        },
    )
    def get(self, request: Request, cid: int, pk: int) -> HttpResponseBase:
        _, studies = self.permitted(request, cid)
        image = discs.image_of(studies, pk)
        if image is None:
            raise exceptions.NotFound
        return StreamingHttpResponse(
            _chunks(image),
            content_type="application/dicom",
            headers={"Content-Length": str(image.size), "Cache-Control": "no-store"},
        )


async def _chunks(image: Outgoing) -> AsyncIterator[bytes]:
    file = await sync_to_async(image.open, thread_sensitive=False)()
    try:
        while chunk := await sync_to_async(file.read, thread_sensitive=False)(CHUNK):
            yield chunk
    finally:
        file.close()


class DiscForm(forms.Form):
    """Which studies of the patient, and on which drive."""

    studies = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose a study.", "invalid_choice": "Choose from the list."},
    )
    drive = forms.ChoiceField(
        error_messages={"required": "Choose a drive.", "invalid_choice": "Choose from the list."}
    )
    key = forms.CharField(max_length=100, widget=forms.HiddenInput)

    def __init__(self, studies: list[Study], drives: list[tuple[str, str]], *rest: Any) -> None:
        super().__init__(*rest)
        self.fields["studies"].choices = [(str(each.pk), each) for each in studies]  # type: ignore[attr-defined]
        self.fields["drive"].choices = drives  # type: ignore[attr-defined]


@require_http_methods(["GET", "POST"])
@signed_in
def dialog(request: HttpRequest, pk: int) -> HttpResponse:
    """The dialog of a study: which studies, which drive, and how the last discs do."""
    who = principal_of(request.user)
    study = get_object_or_404(Study.objects.visible_to(who).select_related("site"), pk=pk)
    agents = burners(who, study)
    if agents is None:
        raise Http404
    studies = _studies_of_patient(who, study)
    drives = [
        (f"{agent.pk}:{drive['name']}", _label(agent, drive))
        for agent in agents
        for drive in agent.drives
    ]
    first = {"studies": [str(study.pk)], "key": str(uuid.uuid4())}
    data = request.POST if request.method == "POST" else None
    form = DiscForm(studies, drives, data, None, "disc_%s", None, first)
    problem = notice = ""
    if data is not None:
        if form.is_valid():
            problem, notice = _ask(request, who, form.cleaned_data)
        else:
            problem = " ".join(str(error) for errors in form.errors.values() for error in errors)
    record_read("discs.opened", request=request, study=study)
    return render(
        request,
        "discs/_dialog.html",
        {
            "study": study,
            "studies": studies,
            "chosen": data.getlist("studies") if data is not None else first["studies"],
            "drives": drives,
            "drive": data.get("drive") if data is not None else None,
            "key": str(uuid.uuid4()),
            "receiving": [each for each in studies if each.arrival == Arrival.RECEIVING],
            "problem": problem,
            "notice": notice,
            "discs": discs.of_study(study, who),
        },
    )


def burners(who: Principal, study: Study) -> list[Agent] | None:
    """Agents of the study's site that make discs for this person; None where none may ever."""
    able = commandable(who, study.site_id, protocol.BURN_DISC)
    if not able and not who.is_superuser and study.site_id not in who.whole_sites:
        return None
    return [
        each
        for each in able
        if each.drives
        and protocol.BURN_DISC in each.allowed_commands
        and protocol.BURN_DISC in each.capabilities
    ]


def _studies_of_patient(who: Principal, study: Study) -> list[Study]:
    """The study, and after it the patient's others, newest first."""
    rows = Study.objects.visible_to(who).filter(
        site=study.site_id, patient_ref=study.patient_ref_id
    )
    others = rows.exclude(pk=study.pk).order_by("-sort_day", "-id")
    return [study, *others[:OTHERS_SHOWN]]


def _label(agent: Agent, drive: dict[str, Any]) -> str:
    kind = "disc" if drive["kind"] == "drive" else "image in a folder"
    return f"{agent.name}: {drive['name']} ({kind}{'' if agent.is_online else ', offline'})"


def _ask(request: HttpRequest, who: Principal, chosen: dict[str, Any]) -> tuple[str, str]:
    """Problem and notice, one of them empty."""
    number, _, target = chosen["drive"].partition(":")
    agent = get_object_or_404(Agent.objects.visible_to(who), pk=int(number))
    params = {"studyIds": [int(each) for each in chosen["studies"]], "target": target}
    if not reaches_subjects(who, agent, protocol.BURN_DISC, params):
        raise Http404
    try:
        discs.require_one_patient(params["studyIds"])
        commands.queue(
            agent,
            protocol.BURN_DISC,
            params,
            requester=request.user,
            idempotency_key=chosen["key"],
            **page_origin(request),
        )
    except ProtocolError as error:
        return error.message, ""
    except NotPossible as error:
        return str(error), ""
    if agent.is_online:
        return "", "The disc is being made. Leave the drive closed until it says Done."
    return "", "The agent is offline. The disc is made when it is back within four hours."
