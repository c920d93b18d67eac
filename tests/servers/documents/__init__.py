"""A Django app of the tests: documents to print, as the app of the reports will have them.

What there is stands in one file that a test writes: `{"12": {"site": 1, "version": "1", ...}}`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

# The project reads its settings as it is imported: before this package's settings are begun.
import pacs  # noqa: F401
from agents.printing import documents

PAGE = """%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj
3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R
 /Resources << /Font << /F1 5 0 R >> >> >> endobj
4 0 obj << /Length {length} >> stream
{content}
endstream endobj
5 0 obj << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> endobj
trailer << /Size 6 /Root 1 0 R >>
%%EOF
"""


def pdf(text: str) -> bytes:
    """A page with this text, as a reader without a table of objects still takes it."""
    content = f"BT /F1 14 Tf 60 760 Td ({text}) Tj ET"
    return PAGE.format(length=len(content), content=content).encode()


def shelf(data_dir: Path) -> Path:
    """The file that says which documents there are."""
    return data_dir / "fixture-documents.json"


def put(data_dir: Path, number: int, **fields: Any) -> None:
    """Add or change a document: site, text, version, refusal, sha256 where it is to be wrong."""
    path = shelf(data_dir)
    found = json.loads(path.read_text()) if path.exists() else {}
    found[str(number)] = {"version": "1", "refusal": "", **found.get(str(number), {}), **fields}
    made = path.with_suffix(".part")
    made.write_text(json.dumps(found))
    made.replace(path)


def from_file(data_dir: Callable[[], Path]) -> documents.Provider:
    """A provider of what the file says, to who sees the site whole; of what it does not name, the
    portal's own."""

    def provider(number: int, who: Any) -> documents.Printable | None:
        from agents.reporting import printable
        from pacs.accounts.principal import principal_or_none

        path = shelf(data_dir())
        found = json.loads(path.read_text()).get(str(number)) if path.exists() else None
        reader = principal_or_none(who)
        if found is None:
            return printable.provider(number, who)
        if reader is None or found["site"] not in reader.whole_sites:
            return None
        content = pdf(found["text"])
        return documents.Printable(
            site=found["site"],
            version=found["version"],
            sha256=found.get("sha256") or hashlib.sha256(content).hexdigest(),
            pdf=lambda: content,
            title=f"Report {number}",
            refusal=found["refusal"],
        )

    return provider


def data_dir() -> Path:
    """Where the running portal keeps its data."""
    return Path(settings.DATA_DIR)
