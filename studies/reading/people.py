"""Who acts, and what they may do about reading at a site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from pacs.accounts.models import Role, Scope, Site, User
from pacs.accounts.principal import Principal, principal_or_none
from studies.reading.errors import NotAllowed

READER = Role.RADIOLOGIST.value
VERIFIERS = (Role.TECHNICIAN.value, Role.SITE_ADMIN.value)


def acting(who: Any) -> tuple[Principal, Any]:
    """The principal and the user of either; raises NotAllowed for nobody."""
    principal = principal_or_none(who)
    if principal is None:
        raise NotAllowed("Nobody is logged in.")
    user = User.objects.get(pk=who.user_id) if isinstance(who, Principal) else who
    return principal, user


def reads(who: Principal, site: int) -> bool:
    """Claims studies of the site: its radiologists, with the scope "write"."""
    return (site, READER) in who.roles and Scope.WRITE.value in who.scopes


def works(who: Principal, site: int) -> bool:
    """Sets priorities and leaves notes: whoever sees the site whole, with the scope "write"."""
    return (who.is_superuser or site in who.whole_sites) and Scope.WRITE.value in who.scopes


def manages(who: Principal, site: int) -> bool:
    """Assigns studies to others and releases their claims: administrators of the site."""
    administers = who.is_superuser or (site, Role.SITE_ADMIN.value) in who.roles
    return administers and Scope.WRITE.value in who.scopes


def verifies(who: Principal, site: int) -> bool:
    """Says that a study was checked: technicians and administrators of the site."""
    return works(who, site) and any((site, role) in who.roles for role in VERIFIERS)


def radiologists(site: Site | int) -> QuerySet[User]:
    """Who can be given studies of the site: its active radiologists, by name."""
    return (
        User.objects.filter(is_active=True, memberships__site=site, memberships__role=READER)
        .distinct()
        .order_by("last_name", "first_name", "username")
    )


def assignable_by(who: Principal) -> list[User]:
    """Whom the person may give studies to somewhere: administrators all, a radiologist herself."""
    roles = {"memberships__role": READER}
    if not who.is_superuser:
        managed = [site for site in who.whole_sites if manages(who, site)]
        if not managed:
            read = any(reads(who, site) for site in who.whole_sites)
            return list(User.objects.filter(pk=who.user_id)) if read else []
        roles["memberships__site__in"] = managed  # type: ignore[assignment]
    found = User.objects.filter(is_active=True, **roles).distinct()
    return list(found.order_by("last_name", "first_name", "username"))


@dataclass(frozen=True)
class Rights:
    """What a person may do about reading, by site: for a page of rows."""

    user_id: int
    reads: frozenset[int]
    works: frozenset[int]


def rights_of(who: Principal) -> Rights:
    """The sites where the person reads, and where the person works at all."""
    return Rights(
        user_id=who.user_id,
        reads=frozenset(site for site, _ in who.roles if reads(who, site)),
        works=frozenset(site for site in who.whole_sites if works(who, site)),
    )
