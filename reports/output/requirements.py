"""What PDFs need of the machine. A portal without it starts, and says what is missing."""

from __future__ import annotations

from ctypes.util import find_library
from pathlib import Path
from typing import Any

from django.core import checks

from reports.output import signature

LIBRARIES = {
    "pango-1.0": "libpango-1.0-0",
    "pangoft2-1.0": "libpangoft2-1.0-0",
    "harfbuzz-subset": "libharfbuzz-subset0",
}
FONTS = {"NotoSans-Regular.*": "fonts-noto-core", "NotoSansCJK-Regular.*": "fonts-noto-cjk"}
FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))


def missing_packages() -> list[str]:
    """Debian's packages of the libraries and fonts that are not here."""
    lacking = [package for name, package in LIBRARIES.items() if find_library(name) is None]
    for pattern, package in FONTS.items():
        if not any(next(folder.rglob(pattern), None) for folder in FOLDERS if folder.is_dir()):
            lacking.append(package)
    return lacking


def check(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """reports.W001: libraries or fonts are missing; reports.W002: the certificate is unusable."""
    found: list[checks.CheckMessage] = []
    if lacking := missing_packages():
        found.append(
            checks.Warning(
                f"PDFs of reports need what is not installed: {', '.join(lacking)}.",
                hint=f"apt-get install --no-install-recommends {' '.join(lacking)}",
                id="reports.W001",
            )
        )
    if words := signature.check():
        found.append(
            checks.Warning(
                words,
                hint="See PACS_REPORT_SIGNING_P12 in docs/report-output.md.",
                id="reports.W002",
            )
        )
    return found
