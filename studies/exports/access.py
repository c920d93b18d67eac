"""Who may take what out of the portal, by the role at the study's site."""

from __future__ import annotations

from enum import StrEnum

from pacs.accounts.models import Role, Scope
from pacs.accounts.principal import Principal


class Kind(StrEnum):
    PICTURE = "picture"
    STUDY = "study"
    DEIDENTIFIED = "deidentified"


WORKERS = frozenset({Role.RADIOLOGIST.value, Role.TECHNICIAN.value, Role.SITE_ADMIN.value})
ROLES: dict[Kind, frozenset[str]] = {
    Kind.PICTURE: WORKERS,
    Kind.STUDY: WORKERS,
    Kind.DEIDENTIFIED: frozenset({Role.RADIOLOGIST.value, Role.SITE_ADMIN.value}),
}


def may_export(who: Principal, site: int, kind: Kind) -> bool:
    """Whether the role at the site allows it; a token needs the scope "write"."""
    if Scope.WRITE.value not in who.scopes:
        return False
    return who.is_superuser or any((site, role) in who.roles for role in ROLES[kind])
