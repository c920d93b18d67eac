"""How much the images of each site take: counted bit by bit, and told once at each threshold.

Nothing here keeps an image out: a full quota is for people to deal with.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F, Max, Sum
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from pacs import audit, events
from pacs.accounts.models import Membership, Role, Site
from studies.models import Instance
from studies.retention.models import SiteUsage

log = structlog.get_logger(__name__)
THRESHOLDS = (80, 95, 100)
SETTLED = timedelta(minutes=5)
"""Images are counted when they are so old: by then no earlier id is still to be committed."""
AT_ONCE = 200_000


def count(settled: timedelta = SETTLED) -> int:
    """Add the images that were stored since the last count, a bounded number. How many sites."""
    for site in Site.objects.filter(usage=None):
        SiteUsage.objects.get_or_create(site=site)
    until = timezone.now() - settled
    number = 0
    for usage in SiteUsage.objects.all():
        begins = usage.counted_up_to
        found = Instance.objects.filter(pk__gt=begins, pk__lte=_end(begins)).filter(
            site=usage.site_id, received_at__lte=until
        )
        young = Instance.objects.filter(pk__gt=begins, received_at__gt=until).order_by("pk")
        first_young = young.values_list("pk", flat=True).first()
        end = _end(begins) if first_young is None else min(_end(begins), first_young - 1)
        if end <= begins:
            continue
        size = found.filter(pk__lte=end).aggregate(size=Sum("file_size"))["size"] or 0
        # Two counts at once: the second finds another mark and adds nothing.
        number += SiteUsage.objects.filter(pk=usage.pk, counted_up_to=begins).update(
            used_bytes=F("used_bytes") + size, counted_up_to=end, counted_at=timezone.now()
        )
    return number


def _end(begins: int) -> int:
    """The last id of a slice that begins behind `begins`."""
    ids = Instance.objects.filter(pk__gt=begins).order_by("pk").values("pk")[:AT_ONCE]
    return int(Instance.objects.filter(pk__in=ids).aggregate(last=Max("pk"))["last"] or begins)


def percent(usage: SiteUsage) -> int | None:
    """How much of the quota is used; None without one."""
    if not usage.quota_bytes:
        return None
    return int(max(usage.used_bytes, 0) * 100 // usage.quota_bytes)


def reached(usage: SiteUsage) -> int:
    """The highest threshold that is reached, or 0."""
    share = percent(usage) or 0
    return max((each for each in THRESHOLDS if share >= each), default=0)


def tell() -> int:
    """Tell of thresholds that were crossed, once each: audit, event, mail. How many mails.

    Not inside a transaction: a mail server may take its time. A mail that fails goes out next time.
    """
    sent = 0
    for usage in SiteUsage.objects.select_related("site"):
        now, before = reached(usage), usage.told_percent
        if now == before:
            continue
        claimed = SiteUsage.objects.filter(pk=usage.pk, told_percent=before)
        with transaction.atomic():
            if not claimed.update(told_percent=now) or now < before:
                continue
            audit.record("quota.reached", site=usage.site_id, detail={"percent": now})
            events.publish("quota.reached", site=usage.site_id, percent=now)
        to = recipients(usage.site)
        if not to:
            continue
        try:
            send_mail(*_mail(usage, now), settings.DEFAULT_FROM_EMAIL, to)
            sent += 1
        except OSError as error:
            log.warning("quota not mailed", site=usage.site_id, error=type(error).__name__)
            SiteUsage.objects.filter(pk=usage.pk, told_percent=now).update(told_percent=before)
    return sent


def recipients(site: Site) -> list[str]:
    """The site's active administrators with an address, and PACS_ALERT_EMAILS."""
    people = Membership.objects.filter(
        site=site, role=Role.SITE_ADMIN, user__is_active=True
    ).exclude(user__email="")
    return sorted({*people.values_list("user__email", flat=True), *settings.ALERT_EMAILS})


def _mail(usage: SiteUsage, threshold: int) -> tuple[str, str]:
    used, quota = (filesizeformat(size) for size in (usage.used_bytes, usage.quota_bytes or 0))
    words = (
        f"The images of {usage.site.name} take {used} of {quota}. Images are taken all the same."
        " Raise the quota, or see what the retention rules would delete.\n"
    )
    return f"{usage.site.name} has used {threshold} % of its storage", words
