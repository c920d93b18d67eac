"""Who may send: whoever sees a site whole. Referrers see single studies and send none."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from pacs.accounts.models import Scope
from pacs.accounts.permissions import principal
from pacs.accounts.principal import Principal


def may_send(who: Principal) -> bool:
    """Whether there is a site whose studies this principal may send."""
    return who.is_superuser or bool(who.whole_sites)


class CanSend(BasePermission):
    """Radiologists, technicians and administrators of a site; sending needs the scope "write"."""

    message = "Your role does not send studies, or the token lacks the scope for it."

    def has_permission(self, request: Request, view: Any) -> bool:
        who = principal(request)
        scope = Scope.READ if request.method in SAFE_METHODS else Scope.WRITE
        return who is not None and may_send(who) and scope.value in who.scopes
