"""Report templates and macros: what a radiologist starts from."""

from __future__ import annotations

from reports.templating.body import clean_body, objections
from reports.templating.choice import choose, macros
from reports.templating.inserts import expand, facts
from reports.templating.services import newest_version, version_of
from reports.templating.starting import expanded, normal, start

__all__ = [
    "choose",
    "clean_body",
    "expand",
    "expanded",
    "facts",
    "macros",
    "newest_version",
    "normal",
    "objections",
    "start",
    "version_of",
]
