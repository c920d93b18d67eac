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
    if report.is_addending:
        return ADDENDUM
    return wanted if wanted in KINDS else FINAL


def standing(report: Report, who: Any, wanted: str, beside: Beside) -> Standing:
    """How things stand for `who` before signing; reads only."""
    kind = kind_of(report, wanted)
    principal = principal_of(who)
    resident = needs_cosignature(principal, report.site_id)
    findings = examine(report, report.study, who, beside, kind=FINAL if kind == COSIGN else kind)
    return Standing(report, kind, findings, resident and kind == FINAL)


def offers(report: Report | None, who: Any) -> dict[str, bool]:
    """What may be done with the report by this person: addendum, cosign, withdraw, critical."""
    if report is None or not may_write(principal_of(who), report.site_id):
        return {}
    last = last_of(report)
    return {
        "addendum": report.state in READABLE and not report.is_addending,
        "cosign": (
            report.cosigner_wanted
            and report.state == ReportState.PRELIMINARY
            and last is not None
            and last.signer_id != who.pk
            and not needs_cosignature(principal_of(who), report.site_id)
        ),
        "withdraw": last is not None and report.state != ReportState.WITHDRAWN,
        "critical": True,
    }
