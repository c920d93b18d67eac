"""The index of report texts."""

from __future__ import annotations

from reports.models import Report


def refresh(report: Report) -> None:
    """Have the index hold the report's newest signed text, in the caller's transaction."""
