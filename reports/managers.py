"""The only ways to reach reports: what a user may see."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from pacs.accounts.principal import principal_or_none
from studies.models import Study


class ReportQuerySet(models.QuerySet[Any]):
    """Reports; start from `visible_to` wherever a person or a program asks."""

    def visible_to(self, who: Any) -> Any:
        """Reports that a user (or Principal) may see: all of the sites that are seen whole.

        Referrers see what is final, not withdrawn, and of a study that is granted to them.
        """
        from reports.models import READABLE

        principal = principal_or_none(who)
        if principal is None:
            return self.none()
        if principal.is_superuser:
            return self
        whole = Q(site_id__in=principal.whole_sites)
        if not principal.grant_sites:
            return self.filter(whole)
        granted = Study.objects.visible_to(principal).filter(
            site_id__in=principal.grant_sites - principal.whole_sites
        )
        return self.filter(whole | Q(study__in=granted.values("id"), state__in=READABLE))
