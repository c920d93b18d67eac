"""Which deliveries a signed version asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from reports.delivery import registry, rows
from reports.delivery.models import OPEN, Delivery, DeliveryRule, DeliveryState
from reports.models import ReportVersion, VersionKind

SUPERSEDED = "A newer version was signed before this one was delivered."
WITHDRAWN = "The report was withdrawn before it was delivered."
BEFORE = {VersionKind.FINAL: "on_final", VersionKind.PRELIMINARY: "on_preliminary"}
RULE_OF = {**BEFORE, VersionKind.ADDENDUM: "on_addendum"}


def plan(version: ReportVersion) -> None:
    """Make the deliveries that the site's rules ask for, in the transaction that signs.

    What waits of an older version is cancelled; where a machine waits for it, the new version goes
    there instead. For a withdrawal: a recall to everybody who got, or may have got, an earlier
    version. Called again for the same version it changes nothing.
    """
    if version.kind == VersionKind.WITHDRAWAL:
        _supersede(version, WITHDRAWN)
        _recall(version)
        return
    for name, data in _supersede(version, SUPERSEDED):
        rows.create(version, name, data, requester=version.signer)
    for rule in rules_for(version):
        transport = registry.find(rule.transport)
        wanted = transport.expand(version, rule.target) if transport else [rule.target]
        for data in wanted:
            rows.create(version, rule.transport, data, requester=version.signer)


def rules_for(version: ReportVersion) -> Iterable[DeliveryRule]:
    """The enabled rules of the site that speak of this kind of version and its modalities."""
    report = version.report
    field = RULE_OF[VersionKind(version.kind)]
    found = set(report.study.modality_list)
    rules = DeliveryRule.objects.filter(site=report.site_id, is_enabled=True, **{field: True})
    return [rule for rule in rules if not rule.modalities or found & set(rule.modalities)]


def is_newest(version: ReportVersion) -> bool:
    """Whether nothing was signed after it; a withdrawal counts."""
    return not ReportVersion.objects.filter(
        report=version.report_id, number__gt=version.number
    ).exists()


def _supersede(version: ReportVersion, words: str) -> list[tuple[str, dict[str, Any]]]:
    """Cancel what waits of older versions; the targets that get the new one instead."""
    instead = []
    waiting = Delivery.objects.filter(
        version__report=version.report_id,
        version__number__lt=version.number,
        is_recall=False,
        state__in=OPEN,
    ).select_related("version__report__study", "place", "requester")
    for delivery in waiting.order_by("id"):
        transport = registry.find(delivery.transport)
        # What is being sent at this moment ends by itself; the new version comes after it.
        if delivery.state == DeliveryState.SENDING:
            arrives = bool(transport and transport.follows_versions)
        else:
            arrives = cancel_open(delivery, words) and bool(
                transport and transport.follows_versions
            )
        if arrives:
            instead.append((delivery.transport, delivery.target))
    return instead


def cancel_open(delivery: Delivery, words: str) -> bool:
    """Cancel a delivery that waits, or that somebody else has. False where it has ended."""
    handed_over = delivery.state == DeliveryState.HANDED_OVER
    # Somebody who has it may have printed or sent it already.
    values = {"may_have_arrived": True} if handed_over else {}
    expected = {"state": delivery.state, "lease_token": delivery.lease_token}
    if not rows.end(delivery, expected, DeliveryState.CANCELLED, words, **values):
        return False
    transport = registry.find(delivery.transport)
    if handed_over and transport is not None and transport.cancel(delivery):
        Delivery.objects.filter(pk=delivery.pk).update(may_have_arrived=False)
    return True


def _recall(version: ReportVersion) -> None:
    """To each target once that got an earlier version or may have got it."""
    earlier = Delivery.objects.filter(
        version__report=version.report_id, version__number__lt=version.number, is_recall=False
    ).order_by("id")
    seen: set[str] = set()
    for delivery in earlier:
        key = rows.key_of(delivery.transport, delivery.target)
        got = delivery.state in (DeliveryState.DONE, *OPEN) or delivery.may_have_arrived
        if got and key not in seen:
            seen.add(key)
            rows.create(
                version, delivery.transport, delivery.target, requester=version.signer, recall=True
            )


def supersede_late(delivery: Delivery) -> bool:
    """A worker's look before it sends: cancel what is no longer the newest. True where it was."""
    if delivery.is_recall or is_newest(delivery.version):
        return False
    withdrawn = ReportVersion.objects.filter(
        report=delivery.version.report_id, kind=VersionKind.WITHDRAWAL
    ).exists()
    with transaction.atomic():
        return cancel_open(delivery, WITHDRAWN if withdrawn else SUPERSEDED)
