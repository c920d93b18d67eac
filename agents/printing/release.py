"""Hands a command's document to its agent, once, after looking at everything again."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.errors import NotPossible
from agents.models import OPEN, Agent, AgentCommand, digest_of
from agents.permissions import may_command
from agents.printing import documents, orders
from agents.printing.models import PrintOrder, PrintToken
from pacs import audit
from pacs.accounts.principal import principal_or_none
from pacs.limits import RateLimit

SPENT = "The permission to print was used or is too old: nothing was printed. Print it again."
CHANGED = "The report was changed meanwhile: the older version was not printed."
PERMISSION = "The person who asked may not print this any more: nothing was printed."
PRINTER = "The agent no longer has this printer: nothing was printed."
DAMAGED = "The document is damaged at the portal: nothing was printed."

# An agent that asks for what is not its own: the trail has one line a minute of it.
_asked_wrongly = RateLimit(1, 60)


class Refused(Exception):
    """Why the document is not handed out: HTTP status, a code for programs, words for people."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.code = code
        self.words = words


def release(agent: Agent, number: int, token: str, *, address: str) -> tuple[bytes, PrintOrder]:
    """The PDF of the command `number`, and its order. Raises Refused, which is audited.

    404: not a print command of this agent. 410: the token is wrong, used or too old, or the
    command is. 409: what is to be printed is no longer what was asked for.
    """
    command = (
        AgentCommand.objects.select_related("agent__site", "requester", "print_order")
        .filter(pk=number, agent=agent, print_order__isnull=False)
        .first()
    )
    if command is None:
        if _asked_wrongly.allows(str(agent.pk)):
            audit.record(
                "agent.print.document",
                site=agent.site_id,
                outcome="refused",
                address=address,
                detail={"agent": agent.pk, "command": number, "why": "unknown"},
            )
        raise Refused(404, "unknown", "This agent was given no such document.")
    found: documents.Printable | None = None
    try:
        _spend(command, token)
        found = _checked(command)
        pdf = found.pdf()
        if hashlib.sha256(pdf).hexdigest() != command.print_order.sha256:
            raise Refused(409, "damaged", DAMAGED)
    except Refused as error:
        _record(command, address, found, outcome="refused", why=error.code)
        raise
    _record(command, address, found, outcome="ok")
    return pdf, command.print_order


def _spend(command: AgentCommand, token: str) -> None:
    """Use the token up, whatever comes of it; of several of one command only one opens."""
    now = timezone.now()
    refused = Refused(410, "token", SPENT)
    if not token or len(token) > 100:
        raise refused
    with transaction.atomic():
        order = command.print_order
        used = PrintToken.objects.filter(
            order=order, digest=digest_of(token), used_at=None, expires_at__gt=now
        ).update(used_at=now)
        if not used or not PrintOrder.objects.filter(pk=order.pk, fetched_at=None).update(
            fetched_at=now
        ):
            raise refused


def _checked(command: AgentCommand) -> documents.Printable:
    """The document, still what was asked for by somebody who still may. Raises Refused."""
    if command.state not in OPEN or command.cancel_requested_at is not None:
        raise Refused(409, "over", "The command was cancelled: nothing was printed.")
    if command.expires_at <= timezone.now():
        raise Refused(410, "too-late", "It came too late and was not printed.")
    who = principal_or_none(command.requester)
    if who is None or not may_command(who, command.agent, command.type):
        raise Refused(409, "permission", PERMISSION)
    if orders.printer_of(command.agent, command.params["printer"]) is None:
        raise Refused(409, "printer", PRINTER)
    try:
        found = orders.current(command)
    except NotPossible as error:
        raise Refused(409, "withdrawn", str(error)) from None
    if found is None or found.site != command.agent.site_id:
        raise Refused(409, "permission", PERMISSION)
    if found.refusal:
        raise Refused(409, "withdrawn", f"{found.refusal} Nothing was printed.")
    order = command.print_order
    if (found.version, found.sha256) != (order.version, order.sha256):
        raise Refused(409, "changed", CHANGED)
    return found


def _record(
    command: AgentCommand,
    address: str,
    found: documents.Printable | None,
    *,
    outcome: str,
    **detail: Any,
) -> None:
    order = command.print_order
    audit.record(
        "agent.print.document",
        actor=command.requester,
        site=command.agent.site_id,
        study=found.study if found is not None else None,
        outcome=outcome,
        address=address,
        detail={
            "agent": command.agent_id,
            "command": command.pk,
            "kind": order.kind,
            "document": order.document,
            "version": order.version,
            **detail,
        },
    )
