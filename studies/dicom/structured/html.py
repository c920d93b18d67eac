"""A structured report as a page of HTML 5 without style or script, every value escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Final

from studies.dicom.structured.tree import Item, Report
from studies.dicom.structured.values import WAVEFORM, Reference

MAX_LINKS: Final = 20
UID = re.compile(r"[0-9.]{1,64}")
UNTITLED: Final = "Structured report"
DERIVED: Final = frozenset({"INFERRED FROM", "SELECTED FROM"})
"""Relationships that a reader must see to understand the item below another."""


def page(report: Report, root: str) -> str:
    """The document. References are links below `root`, the address of the DICOMweb service."""
    title = escape(report.title or UNTITLED)
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f'<title>{title}</title>\n</head>\n<body>\n<main>\n<h1 id="item-1">{title}</h1>\n',
            *_facts(report),
            *_content(report.content, 2, root),
            "</main>\n</body>\n</html>\n",
        )
    )


def _facts(report: Report) -> Iterator[str]:
    if report.facts:
        yield "<dl>\n"
        for label, value in report.facts:
            yield f'<dt>{escape(label)}</dt><dd dir="auto">{_broken(value.split(chr(10)))}</dd>\n'
        yield "</dl>\n"


def _content(children: tuple[Item, ...], level: int, root: str) -> Iterator[str]:
    """Containers as sections, runs of other items as lists."""
    in_list = False
    for item in children:
        if in_list == item.is_container:
            yield "</ul>\n" if in_list else "<ul>\n"
            in_list = not in_list
        yield from _section(item, level, root) if item.is_container else _entry(item, level, root)
    if in_list:
        yield "</ul>\n"


def _section(item: Item, level: int, root: str) -> Iterator[str]:
    heading = min(level, 6)
    named = escape(item.concept.meaning or "Section")
    yield f"<section>\n<h{heading} {_id(item)}{_title(item)}>{named}</h{heading}>\n"
    yield from _content(item.children, level + 1, root)
    yield "</section>\n"


def _entry(item: Item, level: int, root: str) -> Iterator[str]:
    yield f"<li {_id(item)}>"
    if item.relationship in DERIVED:
        yield f"<i>{item.relationship.lower()}</i> "
    if item.concept:
        yield f'<b dir="auto"{_title(item)}>{escape(item.concept.meaning)}</b>: '
    if item.lines:
        meant = item.meaning.identity if item.meaning else ""
        title = f' title="{escape(meant)}"' if meant else ""
        yield f'<span dir="auto"{title}>{_broken(item.lines)}</span>'
    if item.same_as:
        yield f'<a href="#item-{escape(item.same_as)}">see above or below</a>'
    yield ", ".join(_reference(one, root) for one in item.references)
    if item.children:
        yield "\n"
        yield from _content(item.children, level, root)
    yield "</li>\n"


def _id(item: Item) -> str:
    return f'id="item-{item.number}"'


def _title(item: Item) -> str:
    return f' title="{escape(item.concept.identity)}"' if item.concept.identity else ""


def _broken(lines: tuple[str, ...] | list[str]) -> str:
    return "<br>\n".join(escape(line) for line in lines)


def _reference(reference: Reference, root: str) -> str:
    words = reference.words
    uids = (
        reference.study_instance_uid,
        reference.series_instance_uid,
        reference.sop_instance_uid,
    )
    if words == WAVEFORM or not all(UID.fullmatch(uid) for uid in uids):
        return f"{words} {escape(reference.sop_instance_uid)}"
    place = f"{root}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}"
    if not reference.frames:
        return f'<a href="{escape(place)}/rendered">{words} {uids[2]}</a>'
    links = [
        f'<a href="{escape(place)}/frames/{number}/rendered">frame {number}</a>'
        for number in reference.frames[:MAX_LINKS]
    ]
    return f"{words} {uids[2]}: {', '.join(links)}"
