"""The orders of a site for its agents, which answer modalities with them (PS3.4 K)."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from agents import protocol, wake
from agents.models import Agent, AgentState
from studies.orders.models import Order, OrderStatus

CAPABILITY = "worklist"
PAGE = 200
OPEN = (OrderStatus.SCHEDULED, OrderStatus.IN_PROGRESS)
FIELDS = (
    *("id", "seq", "status", "accession_number", "issuer_of_accession_number"),
    *("placer_order_number", "filler_order_number", "patient_id", "issuer_of_patient_id"),
    *("patient_name", "patient_birth_date", "patient_sex", "requested_procedure_id"),
    *("requested_procedure_code", "requested_procedure_scheme"),
    *("requested_procedure_description", "scheduled_procedure_step_id", "modality"),
    *("scheduled_station_ae_title", "referring_physician_name", "reason", "study_instance_uid"),
)
PRIORITIES = {0: "STAT", 1: "HIGH", 2: "ROUTINE"}


def tell(sender: Any, site_id: int, **_: Any) -> None:
    """Have the site's agents that answer modalities fetch what has changed; after the commit."""
    rows = Agent.objects.filter(site=site_id, state=AgentState.ACTIVE).exclude(connection="")
    for agent_id, capabilities in rows.values_list("pk", "capabilities"):
        if CAPABILITY in capabilities:
            wake.news(agent_id, protocol.ORDERS)


def changes(agent: Agent, since: int) -> dict[str, Any]:
    """What changed after `since`: `cursor` for the next time, whether there is `more`, `orders`.

    The first time (0) open orders only; later closed ones, too, so that they are forgotten.
    """
    rows = Order.objects.filter(site=agent.site_id, seq__gt=since).order_by("seq", "id")
    if not since:
        rows = rows.filter(status__in=OPEN)
    found = list(rows[: PAGE + 1])
    if len(found) > PAGE:
        # Orders of one transaction can share a number; it is never parted.
        last = found[-1].seq
        found = [each for each in found if each.seq < last] or list(rows.filter(seq=last))
        more = True
    else:
        more = False
    zone = ZoneInfo(agent.site.timezone)
    return {
        "cursor": found[-1].seq if found else since,
        "more": more,
        "orders": [_shown(each, zone) for each in found],
    }


def _shown(order: Order, zone: ZoneInfo) -> dict[str, Any]:
    at = order.scheduled_at.astimezone(zone) if order.scheduled_at else None
    return {
        **{name: getattr(order, name) for name in FIELDS},
        "scheduled_date": at.strftime("%Y%m%d") if at else "",
        "scheduled_time": at.strftime("%H%M%S") if at else "",
        "priority": PRIORITIES[order.priority],
    }
