"""The Print dialog of a document: where and how, and how its last prints do.

A page includes agents/print/_button.html and the script print.js.
"""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from agents import commands, protocol
from agents.errors import NotPossible
from agents.models import Agent, AgentCommand
from agents.permissions import commandable
from agents.printing import documents
from pacs.accounts.addresses import page_origin
from pacs.accounts.principal import Principal, principal_of
from pacs.audit import record_read
from studies.views.worklist import signed_in

SHOWN = 5
SIDES = (
    (protocol.SIDES[0], "One side"),
    (protocol.SIDES[1], "Both sides"),
    (protocol.SIDES[2], "Both sides, turned at the short edge"),
)


class PrintForm(forms.Form):
    """Where to print and how, among what the agents of the site have told."""

    printer = forms.ChoiceField(error_messages={"required": "Choose a printer."})
    copies = forms.IntegerField(min_value=1, max_value=99, initial=1)
    duplex = forms.ChoiceField(label="Sides", choices=SIDES)
    tray = forms.ChoiceField(required=False)
    key = forms.CharField(max_length=100, widget=forms.HiddenInput)

    def __init__(self, agents: list[Agent], data: Any = None) -> None:
        super().__init__(data, initial={"key": str(uuid.uuid4())})
        printer: Any = self.fields["printer"]
        printer.choices = [
            (f"{agent.pk}:{each['name']}", _label(agent, each, many=len(agents) > 1))
            for agent in agents
            for each in agent.printers
        ]
        tray: Any = self.fields["tray"]
        trays = {name for agent in agents for each in agent.printers for name in _trays(each)}
        tray.choices = [("", "As the printer is set"), *((each, each) for each in sorted(trays))]

    @property
    def has_printers(self) -> bool:
        return bool(self["printer"].field.choices)  # type: ignore[attr-defined]

    def chosen(self) -> tuple[int, dict[str, Any]]:
        """The agent's number, and the parameters of the command but for the document."""
        data = self.cleaned_data
        number, _, name = data["printer"].partition(":")
        params = {"printer": name, "copies": data["copies"], "duplex": data["duplex"]}
        return int(number), {**params, "tray": data["tray"]}


def _label(agent: Agent, printer: dict[str, Any], *, many: bool) -> str:
    trouble = printer.get("reason") or ("" if printer.get("accepting", True) else "takes no jobs")
    if not agent.is_online:
        trouble = "agent offline"
    name = f"{printer['name']} ({agent.name})" if many else str(printer["name"])
    return f"{name}: {trouble}" if trouble else name


def _trays(printer: dict[str, Any]) -> list[str]:
    return list(printer.get("trays", ()))


@require_http_methods(["GET", "POST"])
@signed_in
def print_dialog(request: HttpRequest, kind: str, number: int) -> HttpResponse:
    """The dialog; POST gives the command. 404 where the document is hidden or not to be printed."""
    who = principal_of(request.user)
    found = documents.find(kind, number, who) if documents.is_known(kind) else None
    if found is None:
        raise Http404
    agents = _agents(who, found.site)
    form = PrintForm(agents, request.POST if request.method == "POST" else None)
    problem = found.refusal
    if request.method == "POST" and not problem:
        problem = _give(request, form, agents, number)
        if not problem:
            form = PrintForm(agents)
    record_read("agent.prints", request=request, site=found.site, study=found.study)
    context = {
        "document": found,
        "kind": kind,
        "number": number,
        "form": form,
        "problem": problem,
        "may_print": not found.refusal,
        "prints": AgentCommand.objects.visible_to(who)
        .filter(print_order__kind=kind, print_order__document=number)
        .select_related("agent__site", "requester")[:SHOWN],
    }
    return render(request, "agents/print/_dialog.html", context)


def _agents(who: Principal, site: int) -> list[Agent]:
    """The agents of the site that may print for this person."""
    return [
        agent
        for agent in commandable(who, site, protocol.PRINT_REPORT)
        if agent.printers and protocol.PRINT_REPORT in agent.allowed_commands
    ]


def _give(request: HttpRequest, form: PrintForm, agents: list[Agent], number: int) -> str:
    """Give the command; why not, in plain words, or ""."""
    if not form.is_valid():
        return next((str(error) for errors in form.errors.values() for error in errors), "")
    chosen, params = form.chosen()
    agent = next(each for each in agents if each.pk == chosen)
    try:
        commands.queue(
            agent,
            protocol.PRINT_REPORT,
            {"reportId": number, **params},
            requester=request.user,
            idempotency_key=form.cleaned_data["key"],
            **page_origin(request),
        )
    except NotPossible as error:
        return str(error)
    return ""
