"""The only ways to reach studies and quarantined files: what a user may see."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import Role, Scope, Site
from pacs.accounts.principal import Principal, principal_or_none

CORRECTORS = (Role.TECHNICIAN.value, Role.SITE_ADMIN.value)


class StudyQuerySet(models.QuerySet[Any]):
    """Studies; start from `visible_to` wherever a person or a program asks."""

    def kept(self) -> StudyQuerySet:
        """Without what was rejected."""
        from studies.corrections.models import RejectedStudy

        return self.exclude(id__in=RejectedStudy.objects.values("study_id"))

    def visible_to(self, who: Any, *, rejected: bool = False) -> StudyQuerySet:
        """Studies that a user (or Principal) may see. Nobody and anonymous see none.

        Radiologists, technicians and site administrators see their sites; referrers see what a
        StudyGrant names; superusers see everything. `rejected`: superusers want what was rejected,
        too; nobody else gets it.
        """
        principal = principal_or_none(who)
        if principal is None:
            return self.none()
        if principal.is_superuser and rejected:
            return self
        return self.kept()._within(principal)

    def correctable_by(self, who: Any) -> StudyQuerySet:
        """Studies, rejected ones too, of the sites where the user is technician or site
        administrator."""
        principal = principal_or_none(who)
        if principal is None or Scope.WRITE.value not in principal.scopes:
            return self.none()
        if principal.is_superuser:
            return self
        return self.filter(
            site_id__in=[site for site, role in principal.roles if role in CORRECTORS]
        )

    def _within(self, principal: Principal) -> StudyQuerySet:
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
        granted = self.kept().filter(id__in=_granted(principal, elsewhere)) if elsewhere else None
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
