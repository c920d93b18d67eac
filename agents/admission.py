"""Who may open an agent's socket: the key in the Authorization header, from an allowed network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from django.utils import timezone

from agents.models import KEY_PREFIX, Agent, AgentKey, digest_of
from pacs import audit
from pacs.accounts.models import Scope
from pacs.accounts.principal import Principal
from pacs.limits import RateLimit

USED_STEP = timedelta(minutes=1)
MAX_HEADER = 1024
CHUNK = 5000
FEW = 100
# A refused agent tries again for ever: the trail has one line a minute of it.
_audited = RateLimit(1, 60)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A key that opens a connection, and the agent it belongs to."""

    agent: Agent
    key_id: int
    address: str


def bearer(authorization: str) -> str:
    """The key of `Bearer KEY`; "" where the header is of another kind."""
    scheme, _, value = authorization[:MAX_HEADER].partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def admit(authorization: str, query: str, address: str) -> Admitted | None:
    """The agent that may connect; None, and an audit event, for everybody else.

    A key in the URL is refused even beside a good header: URLs end in logs.
    """
    secret = bearer(authorization)
    if KEY_PREFIX in query:
        _refused("key in the URL", None, address)
        return None
    key = AgentKey.find(secret)
    if key is None:
        known = AgentKey.objects.select_related("agent").filter(digest=digest_of(secret)).first()
        _refused("key", known.agent if known else None, address)
        return None
    if not key.agent.may_connect_from(address):
        _refused("network", key.agent, address)
        return None
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - USED_STEP:
        AgentKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return Admitted(key.agent, key.pk, address)


def caller(authorization: str, address: str) -> Agent | None:
    """The agent that asks over HTTP, by its key and from an allowed network; audited where not."""
    key = AgentKey.find(bearer(authorization))
    if key is None or not key.agent.may_connect_from(address):
        _refused("network" if key else "key", key.agent if key else None, address)
        return None
    return key.agent


def uploader(secret: str) -> tuple[Principal | None, float]:
    """Whose key this is on the data plane, and its seconds left: it stores at its site only."""
    key = AgentKey.find(secret)
    if key is None:
        return None, 0
    agent = key.agent
    who = Principal(
        user_id=0,
        username=f"agent {agent.pk}",
        is_superuser=False,
        whole_sites=frozenset(),
        grant_sites=frozenset(),
        upload_sites=frozenset({agent.site_id}),
        scopes=frozenset({Scope.WRITE.value}),
        session_key=f"token:agent:{agent.pk}",
    )
    return who, (key.expires_at - timezone.now()).total_seconds()


def still_admitted(connections: list[tuple[int, str]]) -> set[int]:
    """Key ids, of (key id, address) of open connections, that still may be connected."""
    places = dict(connections)
    usable = AgentKey.objects.filter(AgentKey.usable()).order_by()
    if len(places) > FEW:
        # Who is connected is nearly who is asked for: without a list of two thousand numbers.
        rows = usable.exclude(agent__connection="")
        found = dict(rows.values_list("pk", "agent__allowed_networks"))
    else:
        found = {}
    rest = [number for number in places if number not in found]
    for start in range(0, len(rest), CHUNK):
        rows = usable.filter(pk__in=rest[start : start + CHUNK])
        found.update(rows.values_list("pk", "agent__allowed_networks"))
    return {
        number
        for number, address in places.items()
        if number in found and _inside(address, tuple(found[number]))
    }


@lru_cache(10_000)
def _inside(address: str, networks: tuple[str, ...]) -> bool:
    return Agent(allowed_networks=list(networks)).may_connect_from(address)


def _refused(why: str, agent: Agent | None, address: str) -> None:
    if _audited.allows(f"{address}|{why}|{agent.pk if agent else ''}"):
        audit.record(
            "agent.connect",
            site=agent.site_id if agent else None,
            outcome="refused",
            address=address,
            detail={"agent": agent.pk if agent else None, "why": why},
        )


def forget() -> None:
    """Forget what was audited lately."""
    _audited.forget()
