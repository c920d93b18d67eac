"""Who may do what with reports: by the person's role at the study's site."""

from __future__ import annotations

from pacs.accounts.models import Membership, Role
from pacs.accounts.principal import Principal

MANAGERS = (Role.SITE_ADMIN.value,)


def may_write(who: Principal, site: int) -> bool:
    """Claim studies, write and sign: radiologists of the site, with the scope "write"."""
    return (site, Role.RADIOLOGIST.value) in who.roles and "write" in who.scopes


def needs_cosignature(who: Principal, site: int) -> bool:
    """Whether this radiologist signs preliminarily only, until another one signs as well."""
    return Membership.objects.filter(
        user=who.user_id, site=site, role=Role.RADIOLOGIST, needs_cosignature=True
    ).exists()


def may_manage(who: Principal, site: int) -> bool:
    """Assign studies to others, resend deliveries, site templates: administrators of the site."""
    return who.is_superuser or any((site, role) in who.roles for role in MANAGERS)


def may_note(who: Principal, site: int) -> bool:
    """Notes, verification and attachments: whoever works at the site, referrers not."""
    return (who.is_superuser or site in who.whole_sites) and "write" in who.scopes


def may_deliver(who: Principal, site: int) -> bool:
    """Send signed reports, try deliveries again and cancel them: who signs, and who manages."""
    return "write" in who.scopes and (may_manage(who, site) or may_write(who, site))
