"""Who sees critical results, and who may do what with them."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import Membership, Role, User
from pacs.accounts.principal import Principal, principal_of, principal_or_none
from reports.critical.models import WAITING, CriticalResult
from reports.permissions import may_manage, may_write
from studies.models import Study, StudyGrant


def visible(who: Any) -> models.QuerySet[CriticalResult]:
    """Results of sites that are seen whole, and those that this person is told."""
    principal = principal_or_none(who)
    if principal is None:
        return CriticalResult.objects.none()
    if principal.is_superuser:
        return CriticalResult.objects.visible_to(principal)  # type: ignore[no-any-return]
    return CriticalResult.objects.filter(
        Q(site_id__in=principal.whole_sites)
        | Q(recipient_id=principal.user_id, site_id__in=principal.sites)
    )


def waiting_for(who: Any) -> int:
    """How many results wait: at sites that are seen whole, or for this person."""
    return visible(who).filter(state__in=WAITING).count()


def may_mark(who: Principal, site: int) -> bool:
    """Radiologists of the site."""
    return may_write(who, site)


def may_acknowledge(who: Principal, result: CriticalResult) -> bool:
    """The recipient; and a radiologist, who records a telephone call."""
    return result.recipient_id == who.user_id or may_write(who, result.site_id)


def may_close(who: Principal, result: CriticalResult) -> bool:
    """Radiologists and administrators of the site, with a reason."""
    return may_write(who, result.site_id) or may_manage(who, result.site_id)


def recipients(study: Study) -> list[tuple[User, bool]]:
    """Referrers with an account who may be told, and whether the study is granted to them.

    Those with a grant first; then every active referrer of the site.
    """
    granted = set(
        StudyGrant.objects.filter(
            Q(expires_at=None) | Q(expires_at__gt=timezone.now()), study=study
        ).values_list("user_id", flat=True)
    )
    referrers = Membership.objects.filter(site=study.site_id, role=Role.REFERRER).values("user")
    people = User.objects.filter(is_active=True, pk__in=referrers).order_by("last_name", "username")
    return sorted(((user, user.pk in granted) for user in people), key=lambda each: not each[1])


def may_be_told(user: User, study: Study) -> bool:
    """Whether a person belongs to the study's site: nobody else is told of its patients."""
    return user.is_active and study.site_id in principal_of(user).sites
