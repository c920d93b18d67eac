"""What the top bar of every page needs to know."""

from __future__ import annotations

from dataclasses import dataclass

from django import template
from django.template.context import Context

from pacs.accounts.models import Role, Site
from pacs.accounts.principal import Principal, principal_of
from studies.models import Priority, QuarantinedFile, ReadingState, Study
from studies.status.registry import reach_of

register = template.Library()
CAP = 99


@dataclass
class Chrome:
    """`quarantined` is None for those who do not see the quarantine. `works_here`: sees a site
    whole, as referrers do not.
    """

    sites: list[str]
    quarantined: str | None
    unread_stat: str
    works_here: bool = False
    sees_status: bool = False

    @property
    def site_summary(self) -> str:
        if len(self.sites) > 2:
            return f"{len(self.sites)} sites"
        return " · ".join(self.sites)


def capped(count: int) -> str:
    return f"{CAP}+" if count > CAP else str(count)


def unread_stat(principal: Principal) -> str:
    """How many unread STAT studies wait for this principal; by index, `99+` at most."""
    studies = Study.objects.visible_to(principal).filter(
        reading_state=ReadingState.UNREAD, priority=Priority.STAT
    )
    return capped(studies.order_by()[: CAP + 1].count())


@register.simple_tag(takes_context=True)
def chrome(context: Context) -> Chrome | None:
    """The top bar's facts for the user of the request; None for nobody."""
    user = context["request"].user
    if not user.is_authenticated:
        return None
    principal = principal_of(user)
    names = (
        Site.objects.filter(pk__in=principal.sites).order_by("name").values_list("name", flat=True)
    )
    handles = principal.is_superuser or any(
        role in (Role.TECHNICIAN, Role.SITE_ADMIN) for _, role in principal.roles
    )
    quarantined = None
    if handles:
        files = QuarantinedFile.objects.visible_to(user).filter(is_open=True).order_by()
        quarantined = capped(files[: CAP + 1].count())
    return Chrome(
        sites=list(names),
        quarantined=quarantined,
        unread_stat=unread_stat(principal),
        works_here=principal.is_superuser or bool(principal.whole_sites),
        sees_status=reach_of(principal) is not None,
    )
