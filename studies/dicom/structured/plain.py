"""A structured report as plain text, indented by two spaces a level."""

from __future__ import annotations

from collections.abc import Iterator

from studies.dicom.structured.html import DERIVED, UNTITLED
from studies.dicom.structured.tree import Item, Report


def text(report: Report) -> str:
    """The document, lines ended by a line feed."""
    lines = [report.title or UNTITLED, ""]
    lines += [f"{label}: {' '.join(value.split(chr(10)))}" for label, value in report.facts]
    lines.append("")
    for item in report.content:
        lines += _lines(item, "")
    return "\n".join(lines) + "\n"


def _lines(item: Item, indent: str) -> Iterator[str]:
    if item.is_container:
        yield f"{indent}{item.concept.meaning or 'Section'}"
    else:
        references = [f"{one.words} {one.sop_instance_uid}" for one in item.references]
        same = [f"see item {item.same_as}"] if item.same_as else []
        first, *others = [*item.lines, *references, *same] or [""]
        concept = f"{item.concept.meaning}: " if item.concept else ""
        derived = f"{item.relationship.lower()} " if item.relationship in DERIVED else ""
        yield f"{indent}{derived}{concept}{first}"
        for line in others:
            yield f"{indent}  {line}"
    for child in item.children:
        yield from _lines(child, indent + "  ")
