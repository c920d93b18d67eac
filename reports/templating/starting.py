"""A document to start from: a template's version with the facts of the study in it."""

from __future__ import annotations

import copy
from typing import Any

from reports import document
from reports.templating.inserts import expand, expand_line
from reports.templating.models import TemplateVersion
from reports.writing.cleaning import clean_document, clean_html


def start(version: TemplateVersion, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """The document of a version: its texts, fields with their defaults, `template` naming it.

    `known` is what `facts` says of the study; without it placeholders stay as they are.
    """
    return _made(version, known, normal=False)


def normal(version: TemplateVersion, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """The report of a study in which nothing was found: normal texts where a section has one."""
    return _made(version, known, normal=True)


def expanded(version: TemplateVersion, known: dict[str, Any] | None) -> dict[str, Any]:
    """The version's body with the facts of a study in its texts, for an editor that mixes it with
    what is written already.
    """
    body: dict[str, Any] = copy.deepcopy(version.body)
    if known is None:
        return body
    inserts = known["inserts"]
    body["title"] = _line(body["title"], inserts)
    for section in body["sections"]:
        section["html"] = clean_html(expand(section["html"], inserts))
        section["normal"] = clean_html(expand(section["normal"], inserts))
        for field in section["fields"]:
            if field["kind"] == document.TEXT:
                field["default"] = _line(field["default"], inserts)
    return body


def _made(
    version: TemplateVersion, known: dict[str, Any] | None, *, normal: bool
) -> dict[str, Any]:
    body = expanded(version, known)
    content = document.empty(body["title"], version.template.language)
    content["template"] = {
        "id": version.template_id,
        "version": version.number,
        "name": version.template.name,
    }
    content["sections"] = [
        {
            "key": section["key"],
            "title": section["title"],
            "html": (normal and section["normal"]) or section["html"],
            "fields": [
                {
                    **{name: field[name] for name in ("key", "label", "kind", "unit")},
                    "value": field["default"],
                }
                for field in section["fields"]
            ],
        }
        for section in body["sections"]
    ]
    return clean_document(content)


def _line(text: Any, inserts: dict[str, str]) -> Any:
    return expand_line(text, inserts)[:200] if text else text
