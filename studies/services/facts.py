"""Columns of the index that are read from an instance's metadata document (PS3.18 F)."""

from __future__ import annotations

from typing import Any

TIMEZONE = "00080201"
BITS_ALLOCATED = "00280100"
START_DATE, START_TIME = "00400244", "00400245"
REQUEST_ATTRIBUTES = "00400275"
SCHEDULED_STEP, REQUESTED_PROCEDURE = "00400009", "00401001"


def first(document: dict[str, Any], tag: str) -> Any:
    """The first value of an element, None where there is none."""
    values = document.get(tag, {}).get("Value") or [None]
    return values[0]


def _text(document: dict[str, Any], tag: str, length: int) -> str:
    value = first(document, tag)
    return value[:length] if isinstance(value, str) else ""


def of_document(document: dict[str, Any]) -> tuple[dict[str, str], dict[str, str], int | None]:
    """Columns of the study, columns of the series, BitsAllocated. Nothing for what is absent."""
    items = [
        item
        for item in document.get(REQUEST_ATTRIBUTES, {}).get("Value") or []
        if isinstance(item, dict)
    ]
    series = {
        "performed_procedure_step_start_date": _text(document, START_DATE, 26),
        "performed_procedure_step_start_time": _text(document, START_TIME, 28),
        "scheduled_procedure_step_ids": _listed(items, SCHEDULED_STEP),
        "requested_procedure_ids": _listed(items, REQUESTED_PROCEDURE),
    }
    study = {"timezone_offset_from_utc": _text(document, TIMEZONE, 16)}
    bits = first(document, BITS_ALLOCATED)
    return (
        {name: text for name, text in study.items() if text},
        {name: text for name, text in series.items() if text},
        bits if isinstance(bits, int) and 0 <= bits < 2**16 else None,
    )


def _listed(items: list[dict[str, Any]], tag: str) -> str:
    """One value an item, with backslashes; at most four of 64 characters each."""
    values = [_text(item, tag, 64).replace("\\", "") for item in items[:5]]
    return "\\".join(values) if any(values) else ""
