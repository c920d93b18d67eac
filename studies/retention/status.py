"""Retention and quotas on the status page and in /metrics."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Count, Min, Sum
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily

from studies.retention import quota
from studies.retention.models import (
    DeletionProposal,
    DeletionState,
    ProposalState,
    RemoteCopy,
    SiteUsage,
    StudyDeletion,
    Tombstone,
)
from studies.status.registry import Level, Line, Panel, Reach

STUCK = timedelta(days=1)
OPEN = (ProposalState.PROPOSED, ProposalState.GRACE)


def retention(reach: Reach) -> Panel:
    """What is proposed, in grace, being erased, and what an administrator has still to remove."""
    lines = [
        _proposal(proposal)
        for proposal in reach.within(DeletionProposal.objects.filter(state__in=OPEN))
        .select_related("site")
        .order_by("deletes_at", "id")[:50]
    ]
    lines += [line for line in (_erasing(reach), _listed(reach)) if line is not None]
    return Panel(
        "retention", "Retention", lines, empty="Nothing is proposed, and nothing is deleted."
    )


def _proposal(proposal: DeletionProposal) -> Line:
    in_grace = proposal.state == ProposalState.GRACE
    going = proposal.deletions.filter(state__in=("proposed", "grace")).aggregate(
        studies=Count("id"), images=Sum("number_of_images"), size=Sum("number_of_bytes")
    )
    return Line(
        f"Proposal {proposal.pk}",
        Level.WARN,
        "Deletes after the grace" if in_grace else "Waits for a second person",
        where=proposal.site.name,
        facts=(
            ("Studies", going["studies"]),
            ("Images", going["images"] or 0),
            ("Bytes", filesizeformat(going["size"] or 0)),
            (
                "Deletes",
                f"{proposal.deletes_at:%Y-%m-%d}" if proposal.deletes_at else "not yet approved",
            ),
        ),
        problem="Any administrator of the site can revoke it until then." if in_grace else "",
        link=reverse("retention-proposal", args=[proposal.pk]),
    )


def _erasing(reach: Reach) -> Line | None:
    rows = reach.within(
        StudyDeletion.objects.filter(state=DeletionState.ERASING), "study__site_id"
    ).aggregate(studies=Count("id"), since=Min("marked_at"))
    if not rows["studies"]:
        return None
    stuck = timezone.now() - rows["since"] > STUCK
    return Line(
        "Being erased",
        Level.STAT if stuck else Level.OK,
        "Stands still" if stuck else "At work",
        facts=(("Studies", rows["studies"]), ("Since", rows["since"])),
        problem="The archive does not let go of the files: the log says why." if stuck else "",
    )


def _listed(reach: Reach) -> Line | None:
    rows = reach.within(Tombstone.objects.filter(remote=RemoteCopy.LISTED)).aggregate(
        files=Count("id"), size=Sum("file_size")
    )
    if not rows["files"]:
        return None
    return Line(
        "Copies in the backup",
        Level.WARN,
        "To be removed by hand",
        facts=(("Files", rows["files"]), ("Bytes", filesizeformat(rows["size"] or 0))),
        problem="The portal's credential cannot delete there. The list is on the retention page.",
        link=reverse("retention"),
    )


def quotas(reach: Reach) -> Panel:
    """How much of its quota each site uses, as last counted."""
    rows = reach.within(SiteUsage.objects.select_related("site")).order_by("site__name")
    return Panel(
        "quota", "Storage by site", [_usage(row) for row in rows], empty="Not counted yet."
    )


def _usage(usage: SiteUsage) -> Line:
    share, threshold = quota.percent(usage), quota.reached(usage)
    level = {0: Level.OK, 80: Level.WARN, 95: Level.WARN, 100: Level.STAT}[threshold]
    words = "Within the quota" if share is not None else "No quota"
    if threshold:
        words = "Quota used up" if threshold == 100 else "Nearly used up"
    return Line(
        usage.site.name,
        level if share is not None else Level.IDLE,
        words,
        facts=(
            ("Used", filesizeformat(max(usage.used_bytes, 0))),
            ("Quota", filesizeformat(usage.quota_bytes) if usage.quota_bytes else "none"),
            ("Share", f"{share} %" if share is not None else "–"),
            ("Counted", usage.counted_at or "not yet"),
        ),
        problem="Images are taken all the same." if threshold == 100 else "",
    )


def numbers() -> Iterable[GaugeMetricFamily]:
    """For /metrics."""
    used = GaugeMetricFamily("lightbox_site_used_bytes", "Bytes of images", labels=["site"])
    limit = GaugeMetricFamily("lightbox_site_quota_bytes", "Bytes of quota", labels=["site"])
    for usage in SiteUsage.objects.select_related("site"):
        used.add_metric([usage.site.slug], max(usage.used_bytes, 0))
        if usage.quota_bytes:
            limit.add_metric([usage.site.slug], usage.quota_bytes)
    yield used
    yield limit
    states = GaugeMetricFamily("lightbox_deletions", "Studies in a deletion", labels=["state"])
    rows = StudyDeletion.objects.filter(state__in=("proposed", "grace", "erasing"))
    counts = dict(rows.order_by().values_list("state").annotate(Count("id")))
    for state in ("proposed", "grace", "erasing"):
        states.add_metric([state], counts.get(state, 0))
    yield states
