"""Print commands: what they name is pinned when they are given, and each send gets a token."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from agents import protocol
from agents.errors import NotPossible
from agents.models import Agent, AgentCommand, digest_of
from agents.printing import documents
from agents.printing.models import PrintOrder, PrintToken
from agents.printing.testpage import test_page

TOKEN_LIFE = timedelta(minutes=5)
TEST_PAGE = "test-page"
GONE = "There is no such report at this site."


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a command is to print, as it is now."""

    kind: str
    document: int | None
    version: str
    sha256: str


def printer_of(agent: Agent, name: str) -> dict[str, Any] | None:
    """The printer as the agent last told of it."""
    return next((each for each in agent.printers if each.get("name") == name), None)


def pin(agent: Agent, params: dict[str, Any], who: Any, at: datetime) -> Pinned:
    """What the command names, for `who`. Raises NotPossible with the reason in plain words."""
    printer = printer_of(agent, params["printer"])
    if printer is None:
        raise NotPossible("The agent has told of no such printer.")
    if params["duplex"] != protocol.SIDES[0] and not printer.get("duplex"):
        raise NotPossible("This printer does not print on both sides.")
    if params["tray"] and params["tray"] not in printer.get("trays", ()):
        raise NotPossible("This printer has no such tray.")
    found = _document(agent, params, who, at)
    if found is None or found.site != agent.site_id:
        raise NotPossible(GONE)
    if found.refusal:
        raise NotPossible(found.refusal)
    kind = TEST_PAGE if params["testPage"] else documents.REPORT
    return Pinned(kind, params["reportId"], found.version, found.sha256)


def keep(command: AgentCommand, pinned: Pinned) -> None:
    """The order of a new command, in the command's transaction."""
    PrintOrder.objects.create(
        command=command,
        kind=pinned.kind,
        document=pinned.document,
        version=pinned.version,
        sha256=pinned.sha256,
    )


def current(command: AgentCommand) -> documents.Printable | None:
    """The document of a command as it is now, for the person who gave it; None where hidden."""
    return _document(command.agent, command.params, command.requester, command.created_at)


def tickets(commands: Iterable[AgentCommand]) -> dict[int, protocol.Ticket]:
    """A new token for each print command whose document was not handed out, by the command."""
    numbers = [each.pk for each in commands if each.type == protocol.PRINT_REPORT]
    if not numbers:
        return {}
    now = timezone.now()
    found = {}
    for order in PrintOrder.objects.filter(command__in=numbers, fetched_at=None):
        token = secrets.token_urlsafe(32)
        PrintToken.objects.create(
            order=order, digest=digest_of(token), created_at=now, expires_at=now + TOKEN_LIFE
        )
        found[order.command_id] = protocol.Ticket(token=token, sha256=order.sha256)
    return found


def forget() -> None:
    """Drop tokens that have been of no use for a day."""
    PrintToken.objects.filter(expires_at__lt=timezone.now() - timedelta(days=1)).delete()


def _document(
    agent: Agent, params: dict[str, Any], who: Any, at: datetime
) -> documents.Printable | None:
    if not params["testPage"]:
        return documents.find(documents.REPORT, params["reportId"], who)
    page = test_page(agent, params["printer"], getattr(who, "username", ""), at)
    return documents.Printable(
        site=agent.site_id,
        version="1",
        sha256=hashlib.sha256(page).hexdigest(),
        pdf=lambda: page,
        title="Test page",
    )
