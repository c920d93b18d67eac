"""Which versions of a report speak now, and which of them a person may read."""

from __future__ import annotations

from collections.abc import Sequence

from pacs.accounts.principal import Principal
from reports.models import Report, ReportVersion, VersionKind

SIGNED_FINAL = (VersionKind.FINAL, VersionKind.ADDENDUM)


def speaking(versions: Sequence[ReportVersion]) -> list[ReportVersion]:
    """The last final version and the addenda to it; before there is one, the last preliminary.

    Of versions in the order of their numbers. Empty where nothing is signed.
    """
    finals = [at for at, each in enumerate(versions) if each.kind == VersionKind.FINAL]
    if finals:
        rest = versions[finals[-1] + 1 :]
        return [versions[finals[-1]], *(v for v in rest if v.kind == VersionKind.ADDENDUM)]
    return [each for each in versions if each.kind == VersionKind.PRELIMINARY][-1:]


def sees_whole(who: Principal, report: Report) -> bool:
    """Whether preliminary and withdrawn versions are shown as well: not to referrers."""
    return who.is_superuser or report.site_id in who.whole_sites


def readable(versions: Sequence[ReportVersion], *, whole: bool) -> list[ReportVersion]:
    """The versions that a person may open, oldest first; those by grant only what speaks now, and
    nothing preliminary."""
    if whole:
        return list(versions)
    return [each for each in speaking(versions) if each.kind in SIGNED_FINAL]
