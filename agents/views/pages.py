"""Pages of agents: those of one's sites, one with its history and buttons, one command."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from agents import commands, protocol
from agents.errors import NotPossible
from agents.models import Agent, AgentCommand, AgentState, CommandKind
from agents.permissions import may_command
from agents.protocol import ProtocolError
from pacs.accounts.addresses import page_origin
from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record_read
from studies.tables import page_of
from studies.views.worklist import signed_in

PAGE_SIZE = 25
EVENTS_SHOWN = 20
TEST_PAGE = "test-page"
# What the page offers, in this order; the rest is asked for where its subject is.
BUTTONS = (
    protocol.PING,
    protocol.LIST_PRINTERS,
    protocol.SCAN_FOLDER,
    protocol.UPLOAD_DICOM,
    TEST_PAGE,
    protocol.COLLECT_LOG,
    protocol.UPDATE,
)


@require_GET
@signed_in
def agents(request: HttpRequest) -> HttpResponse:
    """The agents of one's sites."""
    _who(request)
    rows = (
        Agent.objects.visible_to(request.user).select_related("site").order_by("site__name", "name")
    )
    found = list(rows)
    silent = [agent for agent in found if agent.silent_since and agent.state == AgentState.ACTIVE]
    return _page(request, "list", {"agents": found, "silent": silent})


@require_GET
@signed_in
def agent(request: HttpRequest, pk: int) -> HttpResponse:
    """One agent: how it is, what it can be told, what it was told."""
    who = _who(request)
    found = _agent(request, pk)
    record_read("agent.commands", request=request, site=found.site_id)
    history = found.commands.select_related("requester")
    page = Paginator(history, PAGE_SIZE).get_page(page_of(request.GET.get("page")))
    context = {
        "agent": found,
        "page": page,
        "events": found.events.all()[:EVENTS_SHOWN],
        "offered": _offered(who, found),
    }
    return _page(request, "agent", context)


@require_GET
@signed_in
def command(request: HttpRequest, pk: int, cid: int) -> HttpResponse:
    """One command and how far it is."""
    who = _who(request)
    found = _command(request, pk, cid)
    record_read("agent.commands", request=request, site=found.agent.site_id)
    return _page(request, "command", _command_context(who, found))


@require_POST
@signed_in
def give(request: HttpRequest, pk: int) -> HttpResponse:
    """Queue what a button of the page asks for; says what became of it."""
    who = _who(request)
    found = _agent(request, pk)
    wanted = request.POST.get("command", "")
    type, params = _asked(wanted, request.POST)
    queued, problem = None, ""
    if wanted not in BUTTONS or not may_command(who, found, type):
        raise Http404
    try:
        queued, _ = commands.queue(
            found,
            type,
            params,
            requester=request.user,
            idempotency_key=request.POST.get("key", "")[:100],
            **page_origin(request),
        )
    except ProtocolError as error:
        problem = error.message
    except NotPossible as error:
        problem = str(error)
    if queued is not None and "HX-Request" not in request.headers:
        return HttpResponseRedirect(reverse("agent-command", args=[pk, queued.pk]))
    return render(
        request, "agents/_given.html", {"agent": found, "command": queued, "problem": problem}
    )


@require_POST
@signed_in
def cancel(request: HttpRequest, pk: int, cid: int) -> HttpResponse:
    """Cancel a command; the command as it is then."""
    who = _who(request)
    found = _command(request, pk, cid)
    if not may_command(who, found.agent, found.type):
        raise Http404
    problem = ""
    try:
        commands.cancel(found, actor=request.user, **page_origin(request))
    except NotPossible as error:
        problem = str(error)
        found.refresh_from_db()
    if "HX-Request" not in request.headers:
        return HttpResponseRedirect(reverse("agent-command", args=[pk, cid]))
    context = {**_command_context(who, found), "problem": problem}
    return render(request, "agents/_command.html", context)


def _page(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    """The page, or the part of it that is brought up to date."""
    fragment = "HX-Request" in request.headers
    return render(request, f"agents/{'_' if fragment else ''}{name}.html", context)


def _command_context(who: Principal, found: AgentCommand) -> dict[str, Any]:
    return {
        "command": found,
        "agent": found.agent,
        "may_cancel": found.is_open
        and found.cancel_requested_at is None
        and may_command(who, found.agent, found.type),
        "params": sorted(found.params.items()),
        "result": sorted(found.result.items()),
    }


def _offered(who: Principal, found: Agent) -> list[dict[str, Any]]:
    """The buttons that the role and the agent allow, each with a key of its own."""
    offered = []
    for name in BUTTONS:
        type, _ = _asked(name, {})
        able = not found.capabilities or type in found.capabilities
        if able and type in found.allowed_commands and may_command(who, found, type):
            label = "Print a test page" if name == TEST_PAGE else CommandKind(type).label
            # A form that is sent twice is one command.
            offered.append({"name": name, "label": label, "key": str(uuid.uuid4())})
    return offered if found.state == AgentState.ACTIVE else []


def _asked(name: str, form: Any) -> tuple[str, dict[str, Any]]:
    """Type and parameters of a button."""
    if name == TEST_PAGE:
        return protocol.PRINT_REPORT, {"testPage": True, "printer": form.get("printer", "")}
    if name == protocol.SCAN_FOLDER:
        return name, {"path": form.get("path", "").strip()}
    if name == protocol.UPLOAD_DICOM:
        return name, {"filePath": form.get("path", "").strip()}
    return name, {}


def _who(request: HttpRequest) -> Principal:
    """Who has no agents does not find the pages."""
    who = principal_of(request.user)
    if not (who.is_superuser or who.whole_sites):
        raise Http404
    return who


def _agent(request: HttpRequest, pk: int) -> Agent:
    rows = Agent.objects.visible_to(request.user).select_related("site")
    found: Agent = get_object_or_404(rows, pk=pk)
    return found


def _command(request: HttpRequest, pk: int, cid: int) -> AgentCommand:
    rows = _agent(request, pk).commands.select_related("agent__site", "requester")
    found: AgentCommand = get_object_or_404(rows, pk=cid)
    return found
