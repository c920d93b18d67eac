"""REST of agents: enrolment, agents, their commands, and the short forms."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import commands, discs, keys, protocol
from agents.errors import EnrolmentRefused, NotConnected, NotPossible
from agents.models import Agent, AgentCommand
from agents.permissions import SeesAgents, may_command, reaches_subjects
from agents.protocol import ProtocolError
from agents.views.serializers import (
    AgentProblem,
    AgentSerializer,
    CommandSerializer,
    Enrolled,
    Enrolment,
    ShortCommand,
    ShortCommandAnswer,
    WantedCommand,
)
from pacs import audit
from pacs.accounts.addresses import client_address
from pacs.accounts.permissions import origin, principal
from pacs.accounts.principal import Principal
from pacs.audit import record_read
from pacs.limits import RateLimit
from studies.views.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHENTICATED,
    Conflict,
    Detail,
)

SHOWN = 200
enrolments_refused = RateLimit(10, 15 * 60)
HIDDEN: dict[int, Any] = {401: UNAUTHENTICATED, 403: FORBIDDEN, 404: NOT_FOUND}
CONFLICT = OpenApiResponse(Detail, "The state of the agent or the command does not allow this.")
# Made once: a serializer copies all its fields anew. These hold nothing of a request.
command_form, wanted_form, short_form = CommandSerializer(), WantedCommand(), ShortCommand()
NOT_JSON = OpenApiResponse(Detail, "The body is not JSON.")


class EnrolView(APIView):
    """`POST /api/agents/enrol/`: a one-time code for a key. 403 for every wrong code.

    After ten wrong ones in fifteen minutes an address gets 429.
    """

    authentication_classes: Any = ()
    permission_classes: Any = ()
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="agents_enrol",
        request=Enrolment,
        responses={
            201: Enrolled,
            400: BAD_REQUEST,
            403: OpenApiResponse(AgentProblem, "The code is wrong, used or expired."),
            415: NOT_JSON,
            429: OpenApiResponse(AgentProblem, "Too many wrong codes."),
        },
    )
    def post(self, request: Request) -> Response:
        address = client_address(request._request)
        if enrolments_refused.exceeded(address):
            return _problem(429, "Too many wrong codes. Try again in fifteen minutes.")
        wanted = Enrolment(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            agent, secret = keys.enrol(
                wanted.validated_data["code"],
                address=address,
                version=wanted.validated_data["version"],
                platform=wanted.validated_data["platform"],
            )
        except EnrolmentRefused as error:
            enrolments_refused.allows(address)
            audit.record("agent.enrolled", outcome="refused", address=address)
            return _problem(403, str(error))
        answer = {
            "agent_id": agent.pk,
            "name": agent.name,
            "site": agent.site.slug,
            "key": secret,
            "socket": "/ws/agents/",
        }
        return Response(Enrolled(answer).data, status=201)


class AgentListView(APIView):
    """`GET /api/agents/`."""

    permission_classes = (SeesAgents,)
    http_method_names = ("get", "head", "options")

    @extend_schema(
        operation_id="agents_list",
        responses={200: AgentSerializer(many=True), 401: UNAUTHENTICATED, 403: FORBIDDEN},
    )
    def get(self, request: Request) -> Response:
        rows = Agent.objects.visible_to(principal(request))
        return Response(AgentSerializer(rows, many=True).data)


class AgentView(APIView):
    """`GET /api/agents/{id}/`."""

    permission_classes = (SeesAgents,)
    http_method_names = ("get", "head", "options")

    @extend_schema(operation_id="agents_retrieve", responses={200: AgentSerializer, **HIDDEN})
    def get(self, request: Request, pk: int) -> Response:
        return Response(AgentSerializer(_agent(request, pk)).data)


class CommandListView(APIView):
    """`GET` the last 200 and `POST /api/agents/{id}/commands/`.

    201 queued; 200 the command of this idempotency key; 400 parameters out of bounds; 403 by role;
    404 hidden, or not connected with `"wait": false`; 409 by the state of the agent.
    """

    believes_tokens = True
    permission_classes = (SeesAgents,)
    http_method_names = ("get", "post", "head", "options")

    @extend_schema(
        operation_id="agent_commands_list",
        responses={200: CommandSerializer(many=True), **HIDDEN},
    )
    def get(self, request: Request, pk: int) -> Response:
        agent = _agent(request, pk)
        rows = agent.commands.select_related("requester")[:SHOWN]
        _read(request, agent)
        return Response(CommandSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="agent_commands_create",
        request=WantedCommand,
        responses={
            201: OpenApiResponse(CommandSerializer, "It is queued."),
            200: OpenApiResponse(CommandSerializer, "The command of this idempotency key."),
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: OpenApiResponse(
                {
                    "type": "object",
                    "properties": {"detail": {"type": "string"}, "error": {"type": "string"}},
                },
                "Hidden, or not connected with `wait` false.",
            ),
            409: CONFLICT,
            415: NOT_JSON,
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        agent = _agent(request, pk)
        asked = wanted_form.run_validation(request.data)
        try:
            command, is_new = _queue(request, agent, **asked)
        except NotConnected as error:
            return _problem(404, str(error))
        return Response(command_form.to_representation(command), status=201 if is_new else 200)


class CommandView(APIView):
    """`GET /api/agents/{id}/commands/{cid}/`."""

    believes_tokens = True
    permission_classes = (SeesAgents,)
    http_method_names = ("get", "head", "options")

    @extend_schema(
        operation_id="agent_commands_retrieve", responses={200: CommandSerializer, **HIDDEN}
    )
    def get(self, request: Request, pk: int, cid: int) -> Response:
        command = _command(request, pk, cid)
        _read(request, command.agent)
        return Response(command_form.to_representation(command))


class CancelView(APIView):
    """`POST /api/agents/{id}/commands/{cid}/cancel/`: at once while queued, else by the agent."""

    permission_classes = (SeesAgents,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="agent_commands_cancel",
        request=None,
        responses={200: CommandSerializer, **HIDDEN, 409: CONFLICT},
    )
    def post(self, request: Request, pk: int, cid: int) -> Response:
        command = _command(request, pk, cid)
        who = _who(request)
        if not may_command(who, command.agent, command.type):
            raise exceptions.PermissionDenied("Your role does not allow this command.")
        try:
            commands.cancel(command, actor=request.user, **origin(request))
        except NotPossible as error:
            raise Conflict(str(error)) from error
        return Response(command_form.to_representation(command))


class ShortFormView(APIView):
    """`POST /api/local-command` and `/api/local-agent/command`: `{agentId, command, ...}`.

    `{"success": true, "commandId": ..., "command": {...}}`, or `{"error": ...}`.
    """

    believes_tokens = True
    permission_classes = (SeesAgents,)
    http_method_names = ("post", "options")

    @extend_schema(
        request=ShortCommand,
        responses={
            201: OpenApiResponse(ShortCommandAnswer, "It is queued."),
            200: OpenApiResponse(ShortCommandAnswer, "The command of this idempotency key."),
            400: BAD_REQUEST,
            401: UNAUTHENTICATED,
            403: FORBIDDEN,
            404: OpenApiResponse(
                {
                    "type": "object",
                    "properties": {"detail": {"type": "string"}, "error": {"type": "string"}},
                },
                "No such agent, or not connected with `wait` false.",
            ),
            409: CONFLICT,
            415: NOT_JSON,
        },
    )
    def post(self, request: Request) -> Response:
        asked = short_form.run_validation(request.data)
        agent = Agent.objects.visible_to(principal(request)).filter(pk=asked["agentId"]).first()
        if agent is None:
            return _problem(404, "There is no such agent.")
        kind = protocol.COMMANDS[asked["command"]]
        body: Any = request.data if isinstance(request.data, dict) else {}
        beside = {name: body[name] for name in kind.params if name in body}
        # "params" is also the name of a parameter of query-ris.
        nested = asked.get("params", {}) if not beside or set(beside) == {"params"} else {}
        try:
            command, is_new = _queue(
                request,
                agent,
                type=asked["command"],
                params=nested or beside,
                ttl=asked["ttl"],
                idempotency_key=asked["idempotencyKey"],
                wait=asked["wait"],
            )
        except NotConnected as error:
            return _problem(404, str(error))
        answer = {
            "success": True,
            "commandId": command.pk,
            "state": command.state,
            "command": command_form.to_representation(command),
        }
        return Response(answer, status=201 if is_new else 200)


def _queue(
    request: Request, agent: Agent, *, type: str, params: Any, **options: Any
) -> tuple[AgentCommand, bool]:
    """Check role and subjects, then queue; what is wrong as REST says it."""
    who = _who(request)
    if not may_command(who, agent, type):
        raise exceptions.PermissionDenied("Your role does not allow this command.")
    try:
        checked = protocol.check_params(type, params)
        if not reaches_subjects(who, agent, type, checked):
            raise exceptions.NotFound("There is no such study or report at this site.")
        if type == protocol.BURN_DISC:
            discs.require_one_patient(checked["studyIds"])
        return commands.queue(
            agent, type, checked, requester=request.user, **options, **origin(request)
        )
    except ProtocolError as error:
        raise exceptions.ParseError(error.message) from error
    except NotConnected:
        raise
    except NotPossible as error:
        raise Conflict(str(error)) from error


def _who(request: Request) -> Principal:
    who = principal(request)
    if who is None:
        raise exceptions.NotAuthenticated
    return who


def _agent(request: Request, pk: int) -> Agent:
    agent: Agent | None = Agent.objects.visible_to(principal(request)).filter(pk=pk).first()
    if agent is None:
        raise exceptions.NotFound
    return agent


def _command(request: Request, pk: int, cid: int) -> AgentCommand:
    # By the agent's own key first: a number beyond every key is refused there, not in the database.
    rows = _agent(request, pk).commands.select_related("agent", "requester")
    command: AgentCommand | None = rows.filter(pk=cid).first()
    if command is None:
        raise exceptions.NotFound
    return command


def _read(request: Request, agent: Agent) -> None:
    """Results may hold what the RIS says of patients."""
    where = origin(request)
    record_read("agent.commands", actor=request.user, site=agent.site_id, **where)


def _problem(status: int, words: str) -> Response:
    return Response({"error": words}, status=status)
