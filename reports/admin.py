"""The pages of reports in the admin; each subject keeps its own."""

from __future__ import annotations

from reports.templating import admin  # noqa: F401
