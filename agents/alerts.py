"""Mail about agents that have fallen silent: once per silence, to those who look after the site."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone

from agents.models import Agent
from pacs.accounts.models import Membership, Role

log = structlog.get_logger(__name__)


def recipients(agent: Agent) -> list[str]:
    """The site's active administrators with an address, and PACS_ALERT_EMAILS."""
    people = Membership.objects.filter(
        site=agent.site_id, role=Role.SITE_ADMIN, user__is_active=True
    ).exclude(user__email="")
    return sorted({*people.values_list("user__email", flat=True), *settings.ALERT_EMAILS})


def mail_silences() -> int:
    """Mail what nobody has been told yet; how many. A mail that fails is tried again next time.

    Not inside a transaction: a mail server may take its time.
    """
    sent = 0
    rows = Agent.objects.filter(silent_since__isnull=False, silence_mailed_at=None)
    for agent in rows.select_related("site")[:100]:
        claimed = Agent.objects.filter(
            pk=agent.pk, silent_since=agent.silent_since, silence_mailed_at=None
        ).update(silence_mailed_at=timezone.now())
        if not claimed:
            continue
        to = recipients(agent)
        if not to:
            continue
        try:
            send_mail(
                f"Site agent silent: {agent.name} at {agent.site.name}",
                _words(agent),
                settings.DEFAULT_FROM_EMAIL,
                to,
            )
            sent += 1
        except OSError as error:
            log.warning("silence not mailed", agent=agent.pk, error=type(error).__name__)
            Agent.objects.filter(pk=agent.pk, silent_since=agent.silent_since).update(
                silence_mailed_at=None
            )
    return sent


def _words(agent: Agent) -> str:
    since = f"{agent.silent_since:%Y-%m-%d %H:%M} UTC"
    lines = [
        f"The site agent {agent.name} at {agent.site.name} was last heard of at {since}.",
        "Until it is back nothing is uploaded or printed through it; what it is asked to do waits.",
        "Look whether the machine runs and reaches the portal.",
    ]
    if settings.PUBLIC_URL:
        lines.append(f"{settings.PUBLIC_URL.rstrip('/')}/agents/{agent.pk}/")
    return "\n\n".join(lines) + "\n"
