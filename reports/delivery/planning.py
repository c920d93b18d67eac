"""Which deliveries a signed version asks for."""

from __future__ import annotations

from reports.models import ReportVersion


def plan(version: ReportVersion) -> None:
    """Make the deliveries that the site's rules ask for, in the transaction that signs.

    For a withdrawal: a recall to everybody who got an earlier version.
    """
