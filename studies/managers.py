"""The only ways to reach studies and quarantined files: what a user may see."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import Site
from pacs.accounts.principal import Principal, principal_or_none


class StudyQuerySet(models.QuerySet[Any]):
    """Studies; start from `visible_to` wherever a person or a program asks."""

    def visible_to(self, who: Any) -> StudyQuerySet:
        """Studies that a user (or Principal) may see. Nobody and anonymous see none.

        Radiologists, technicians and site administrators see their sites; referrers see what a
        StudyGrant names; superusers see everything.
        """
        principal = principal_or_none(who)
        if principal is None:
            return self.none()
        if principal.is_superuser:
            return self
        whole = Q(site_id__in=principal.whole_sites)
        if not principal.grant_sites:
            return self.filter(whole)
        return self.filter(whole | Q(id__in=_granted(principal, principal.grant_sites)))

    def reach_of(self, who: Any) -> tuple[list[int], StudyQuerySet | None]:
        """The same in parts that share no study: sites seen whole, and studies by grant elsewhere.

        For queries that take each site by an index of its own.
        """
        principal = principal_or_none(who)
        if principal is None:
            return [], None
        if principal.is_superuser:
            return list(Site.objects.order_by("id").values_list("id", flat=True)), None
        elsewhere = principal.grant_sites - principal.whole_sites
        granted = self.filter(id__in=_granted(principal, elsewhere)) if elsewhere else None
        return sorted(principal.whole_sites), granted


def _granted(principal: Principal, sites: frozenset[int]) -> Any:
    """Ids of the studies that a StudyGrant shows now."""
    from studies.models import StudyGrant

    return StudyGrant.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
        user_id=principal.user_id,
        study__site_id__in=sites,
    ).values("study_id")


class OfSiteQuerySet(models.QuerySet[Any]):
    """Rows of a site; start from `visible_to` wherever a person or a program asks."""

    site = "site_id"

    def visible_to(self, who: Any) -> Any:
        """Rows of the sites that the user (or Principal) sees whole; no referrers."""
        principal = principal_or_none(who)
        if principal is None:
            return self.none()
        if principal.is_superuser:
            return self
        return self.filter(**{f"{self.site}__in": principal.whole_sites})


class OfStudyQuerySet(OfSiteQuerySet):
    """Rows of a study, of its site."""

    site = "study__site_id"


class QuarantineQuerySet(models.QuerySet[Any]):
    """Quarantined files, for technicians and administrators of the site."""

    def visible_to(self, who: Any) -> QuarantineQuerySet:
        """Files of the sites where the user is technician or site administrator."""
        if who is None or not who.is_authenticated or not who.is_active:
            return self.none()
        if who.is_superuser:
            return self
        sites = who.memberships.filter(role__in=["technician", "site_admin"]).values("site_id")
        return self.filter(site_id__in=sites)
