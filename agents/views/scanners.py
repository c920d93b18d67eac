"""Scanners of the worklist: which there are, whose they are, and what one of them read."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from agents import scans
from agents.errors import NotPossible
from agents.models import Agent, AgentState, ScannerPairing
from pacs.accounts.addresses import page_origin
from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record, record_read
from studies.views.worklist import signed_in


@require_http_methods(["GET", "POST"])
@signed_in
def dialog(request: HttpRequest) -> HttpResponse:
    """The scanners of one's sites; a POST takes one for this session, or lets go of it."""
    who = _who(request)
    problem = ""
    if request.method == "POST" and "unpair" in request.POST:
        scans.unpair(user=request.user, **page_origin(request))
    elif request.method == "POST":
        number, _, name = request.POST.get("scanner", "").partition(":")
        rows = Agent.objects.visible_to(who).filter(state=AgentState.ACTIVE)
        agent = get_object_or_404(rows, pk=int(number) if number.isdecimal() else 0)
        try:
            scans.pair(agent, name, user=request.user, **page_origin(request))
        except NotPossible as error:
            problem = str(error)
    record_read("scanners.opened", request=request)
    context = {"scanners": _scanners(request, who), "problem": problem}
    return render(request, "scanners/_dialog.html", context)


@require_GET
@signed_in
def mine(request: HttpRequest) -> HttpResponse:
    """`{"scanner": "Desk"}`, or null where this session has none."""
    _who(request)
    found = scans.mine(request.session.session_key or "")
    return JsonResponse({"scanner": None if found is None else found.scanner})


@require_POST
@signed_in
def scan(request: HttpRequest, pk: int) -> HttpResponse:
    """`{"code": ...}` of a fresh scan for this session; 404 for every other."""
    _who(request)
    session_key = request.session.session_key or ""
    code = scans.code_of(pk, session_key=session_key)
    if code is None:
        raise Http404
    pairing = scans.mine(session_key)
    record(
        "scan.taken",
        actor=request.user,
        site=pairing.agent.site_id if pairing else None,
        detail={"event": pk},
        **page_origin(request),
    )
    return JsonResponse({"code": code})


def _scanners(request: HttpRequest, who: Principal) -> list[dict[str, Any]]:
    agents = Agent.objects.visible_to(who).filter(state=AgentState.ACTIVE).select_related("site")
    own = scans.digest(request.session.session_key or "")
    current = {
        (each.agent_id, each.scanner): each
        for each in ScannerPairing.objects.visible_to(who).current().select_related("user")
    }
    found = []
    for agent in agents.order_by("site__name", "name"):
        for scanner in agent.scanners:
            pairing = current.get((agent.pk, scanner["name"]))
            is_mine = pairing is not None and pairing.session_digest == own
            found.append(
                {
                    "value": f"{agent.pk}:{scanner['name']}",
                    "name": scanner["name"],
                    "agent": agent,
                    "problem": "" if scanner["state"] == "ok" else scanner["state"],
                    "mine": is_mine,
                    "with": pairing.user if pairing is not None and not is_mine else None,
                }
            )
    return found


def _who(request: HttpRequest) -> Principal:
    """Who has no agents has no scanners."""
    who = principal_of(request.user)
    if not (who.is_superuser or who.whole_sites):
        raise Http404
    return who
