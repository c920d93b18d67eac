"""Who signs, as the database has it now: what was true when a page opened is not enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pacs.accounts.models import Membership, Role, User
from pacs.accounts.principal import Principal, principal_of
from reports.errors import NotAllowed
from reports.permissions import may_write, needs_cosignature

NOT_A_RADIOLOGIST = (
    "Nothing was signed: you are not a radiologist of this site (any more)."
    " Your text is kept as a draft."
)


@dataclass(frozen=True, slots=True)
class Signer:
    """A radiologist of the site. `is_resident`: another one has to sign as well."""

    user: User
    is_resident: bool

    @property
    def identity(self) -> dict[str, Any]:
        return {"id": self.user.pk, "name": str(self.user)}


def user_id_of(who: Any) -> int:
    """The id of a user or Principal."""
    return int(who.user_id if isinstance(who, Principal) else who.pk)


def signer_at(who: Any, site: int) -> Signer:
    """The person as a radiologist of the site, read and locked in the caller's transaction.

    A Principal keeps its limits (a token's scopes and sites). Raises NotAllowed for everybody else:
    roles taken away, accounts closed, superusers, who are no radiologists by that.
    """
    user = User.objects.filter(pk=user_id_of(who), is_active=True).first()
    if user is None:
        raise NotAllowed(NOT_A_RADIOLOGIST, code="role")
    # The role stays what it is until the commit.
    list(
        Membership.objects.select_for_update()
        .filter(user=user, site=site, role=Role.RADIOLOGIST)
        .values_list("id", flat=True)
    )
    principal = principal_of(user)
    if isinstance(who, Principal):
        principal = replace(principal, scopes=who.scopes, roles=principal.roles & who.roles)
    if not may_write(principal, site):
        raise NotAllowed(NOT_A_RADIOLOGIST, code="role")
    return Signer(user, needs_cosignature(principal, site))
