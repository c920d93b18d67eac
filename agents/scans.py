"""Scanners: paired with one browser session, and what they read goes there and nowhere else.

A code names a patient: it is kept only where somebody waits for it, shown only to that session, and
never later than half a minute, so that no list jumps because an agent has come back.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.utils import timezone

from agents import announce, protocol
from agents.errors import NotPossible
from agents.models import Agent, AgentEvent, ScannerPairing
from agents.protocol import ProtocolError
from pacs import audit, events
from pacs.accounts.principal import Principal
from studies import consumers

VALID_SECONDS = 30
MOST_CHARACTERS = 64
EXPIRED, NOT_PAIRED = "too late", "no worklist is paired"


def connect() -> None:
    """Called once at start."""
    consumers.address("scan.read", _is_for)
    user_logged_out.connect(_logged_out, dispatch_uid="scanner-logout")


def digest(session_key: str) -> str:
    """What is kept of a session's key."""
    return hashlib.sha256(session_key.encode()).hexdigest()


# Pairing


def pair(
    agent: Agent, scanner: str, *, user: Any, session_key: str, address: str = ""
) -> ScannerPairing:
    """Have the scanner's codes sent to this session; who had it before has it no more.

    Raises NotPossible for a scanner that the agent does not have.
    """
    if scanner not in [each["name"] for each in agent.scanners]:
        raise NotPossible("The agent has no such scanner any more.")
    mine = digest(session_key)
    with transaction.atomic():
        # Whoever pairs at the same time waits here: the later one wins.
        Agent.objects.select_for_update().get(pk=agent.pk)
        _end(ScannerPairing.objects.current().filter(session_digest=mine))
        _end(ScannerPairing.objects.current().filter(agent=agent, scanner=scanner))
        made = ScannerPairing.objects.create(
            agent=agent, scanner=scanner, session_digest=mine, user=user
        )
        _record("scanner.paired", made, user, session_key, address)
        announce.agent_changed(agent)
    return made


def unpair(*, user: Any, session_key: str, address: str = "") -> bool:
    """Let go of this session's scanner. True where it had one."""
    with transaction.atomic():
        found = mine(session_key)
        if found is None:
            return False
        _end(ScannerPairing.objects.filter(pk=found.pk))
        _record("scanner.unpaired", found, user, session_key, address)
    return True


def mine(session_key: str) -> ScannerPairing | None:
    """This session's pairing."""
    rows = ScannerPairing.objects.current().select_related("agent", "user")
    return rows.filter(session_digest=digest(session_key)).first()


def _end(rows: Any) -> None:
    for each in rows.select_related("agent"):
        if ScannerPairing.objects.filter(pk=each.pk, ended_at=None).update(ended_at=timezone.now()):
            announce.agent_changed(each.agent)


def _logged_out(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key and user is not None:
        unpair(user=user, session_key=key)


# Codes


def received(agent: Agent, message: protocol.Event) -> None:
    """Keep a scan and tell the session that waits for it. Raises ProtocolError "field"."""
    scanner, code = _checked(message)
    at = min(message.at, timezone.now())
    pairing = ScannerPairing.objects.current().filter(agent=agent, scanner=scanner).first()
    dropped = EXPIRED if _age(message) > VALID_SECONDS else "" if pairing else NOT_PAIRED
    data: dict[str, Any] = {"scanner": scanner}
    if pairing is None or dropped:
        data["dropped"] = dropped
    else:
        data |= {"code": code, "pairing": pairing.pk}
    row = AgentEvent.objects.create(
        agent=agent, event_id=message.id, kind=message.event, at=at, data=data
    )
    if pairing is None or dropped:
        announce.agent_changed(agent)
    else:
        events.publish(
            "scan.read", site=agent.site_id, agent=agent.pk, event=row.pk, pairing=pairing.pk
        )


def code_of(event_id: int, *, session_key: str) -> str | None:
    """The code of a scan, for the session that it was read for, as long as it is fresh."""
    row = AgentEvent.objects.filter(
        pk=event_id,
        kind=AgentEvent.Kind.SCAN,
        received_at__gt=timezone.now() - timedelta(seconds=VALID_SECONDS),
    ).first()
    pairing = mine(session_key)
    if row is None or pairing is None or row.data.get("pairing") != pairing.pk:
        return None
    return str(row.data["code"])


def _is_for(event: dict[str, Any], who: Principal) -> bool:
    """Whether a `scan.read` is for the session of a socket."""
    rows = ScannerPairing.objects.current().filter(pk=event.get("pairing"))
    return bool(who.session_key) and rows.filter(session_digest=digest(who.session_key)).exists()


def _checked(message: protocol.Event) -> tuple[str, str]:
    scanner, code = message.data.get("scanner"), message.data.get("code")
    good = (
        isinstance(scanner, str)
        and 0 < len(scanner) <= 60
        and scanner.isprintable()
        and isinstance(code, str)
        and 0 < len(code) <= MOST_CHARACTERS
        and code.isprintable()
        and code == code.strip()
    )
    if not good:
        raise ProtocolError("field", "This is no scan of a scanner.", message.id)
    return str(scanner), str(code)


def _age(message: protocol.Event) -> float:
    """Seconds since it was read: by the agent's clock alone where it says so."""
    age = message.data.get("age")
    if isinstance(age, int | float) and not isinstance(age, bool) and age >= 0:
        return float(age)
    return (timezone.now() - message.at).total_seconds()


def _record(
    action: str, pairing: ScannerPairing, user: Any, session_key: str, address: str
) -> None:
    audit.record(
        action,
        actor=user,
        site=pairing.agent.site_id,
        address=address,
        session_key=session_key,
        detail={"agent": pairing.agent_id, "scanner": pairing.scanner},
    )
