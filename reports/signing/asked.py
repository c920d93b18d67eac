"""What a person may do with a report now, and the findings that stand before it: for dialogs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pacs.accounts.principal import principal_of
from reports.checks import Finding
from reports.models import READABLE, Report, ReportState
from reports.permissions import may_write, needs_cosignature
from reports.signing.examination import Beside, examine
from reports.signing.versions import last_of

PRELIMINARY, FINAL, ADDENDUM, COSIGN = "preliminary", "final", "addendum", "cosign"
KINDS = (PRELIMINARY, FINAL, ADDENDUM, COSIGN)


@dataclass(frozen=True, slots=True)
class Standing:
    """The report, what is offered, and what the checks say to signing it as `kind`."""

    report: Report
    kind: str
    findings: list[Finding]
    waits_for_cosigner: bool


def kind_of(report: Report, wanted: str) -> str:
    """What signing means as the report stands: an addendum where one is being written."""
    if report.addendum_waits:
        return COSIGN
    if report.is_addending:
        return ADDENDUM
    return wanted if wanted in KINDS else FINAL


def standing(report: Report, who: Any, wanted: str, beside: Beside) -> Standing:
    """How things stand for `who` before signing; reads only."""
    kind = kind_of(report, wanted)
    principal = principal_of(who)
    resident = needs_cosignature(principal, report.site_id)
    meant = kind
    if kind == COSIGN:
        meant = ADDENDUM if report.is_addending else FINAL
    findings = examine(report, report.study, who, beside, kind=meant)
    return Standing(report, kind, findings, resident and kind in (FINAL, ADDENDUM))


def offers(report: Report | None, who: Any) -> dict[str, bool]:
    """What may be done with the report by this person: addendum, cosign, withdraw, critical."""
    if report is None or not may_write(principal_of(who), report.site_id):
        return {}
    last = last_of(report)
    resident = needs_cosignature(principal_of(who), report.site_id)
    own = report.addendum_signer_id == who.pk
    waits = report.addendum_waits
    preliminary = report.cosigner_wanted and report.state == ReportState.PRELIMINARY
    of_another = last is not None and last.signer_id != who.pk
    return {
        "addendum": report.state in READABLE
        and (not report.is_addending or (waits and (own or not resident))),
        "cosign": not resident and ((preliminary and of_another) or (waits and not own)),
        "withdraw": last is not None and report.state != ReportState.WITHDRAWN,
        "critical": True,
    }
