"""Tables as CSV that a spreadsheet opens without running anything. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

# What spreadsheets take for a formula, or for the beginning of a cell of its own.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def cell(value: Any) -> str:
    """A value as a cell: text that could be a formula gets an apostrophe before it."""
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\0", "")
    return (
        f"'{text}"
        if text.lstrip(" ").startswith(_DANGEROUS) or text.startswith(_DANGEROUS)
        else text
    )


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """RFC 4180, with the mark by which spreadsheets know UTF-8."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([cell(value) for value in row] for row in rows)
    return f"\ufeff{out.getvalue()}"
