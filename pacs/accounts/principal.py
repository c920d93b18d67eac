"""Who is asking, and for which sites: the one answer that views, DICOMweb and sockets share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pacs.accounts.models import WHOLE_SITE_ROLES, Membership, Role, Site

if TYPE_CHECKING:
    from pacs.accounts.models import ApiToken


@dataclass(frozen=True, slots=True)
class Principal:
    """A user's reach at one moment. `whole_sites` are seen whole, `grant_sites` by grant only."""

    user_id: int
    username: str
    is_superuser: bool
    whole_sites: frozenset[int]
    grant_sites: frozenset[int]
    upload_sites: frozenset[int]
    scopes: frozenset[str]
    session_key: str
    roles: frozenset[tuple[int, str]] = frozenset()

    def sites_as(self, *roles: str) -> list[Site]:
        """The sites where they have one of the roles, by name; all for a superuser."""
        found = Site.objects.order_by("name")
        if not self.is_superuser:
            found = found.filter(pk__in={site for site, role in self.roles if role in roles})
        return list(found)

    @property
    def sites(self) -> frozenset[int]:
        return self.whole_sites | self.grant_sites


def principal_of(user: Any, *, token: ApiToken | None = None, session_key: str = "") -> Principal:
    """Reads memberships now. A token can narrow what its user sees, never widen it."""
    only: set[int] | None = None
    if token is not None:
        only = set(token.sites.values_list("id", flat=True)) or None
    if user.is_superuser:
        roles = {
            (site, Role.SITE_ADMIN.value) for site in Site.objects.values_list("id", flat=True)
        }
    else:
        roles = set(Membership.objects.filter(user=user).values_list("site_id", "role"))
    if only is not None:
        roles = {(site, role) for site, role in roles if site in only}
    return Principal(
        user_id=user.pk,
        username=user.username,
        is_superuser=user.is_superuser and only is None,
        whole_sites=frozenset(site for site, role in roles if role in WHOLE_SITE_ROLES),
        grant_sites=frozenset(site for site, role in roles if role == Role.REFERRER),
        upload_sites=frozenset(
            site
            for site, role in roles
            if role in (Role.TECHNICIAN, Role.SITE_ADMIN, Role.RADIOLOGIST)
        ),
        scopes=frozenset(token.scopes) if token is not None else frozenset({"read", "write"}),
        session_key=session_key or (f"token:{token.pk}" if token is not None else ""),
        roles=frozenset(roles),
    )


def principal_or_none(who: Any) -> Principal | None:
    """The principal of a user, or the one given; None for nobody and anonymous."""
    if isinstance(who, Principal):
        return who
    if who is None or not who.is_authenticated or not who.is_active:
        return None
    return principal_of(who)
