"""Templates, macros and orders for tests."""

from __future__ import annotations

from typing import Any

from reports.models import Macro, ReportTemplate, TemplateVersion

BODY: dict[str, Any] = {
    "title": "CT chest of {study_date}",
    "sections": [
        {"key": "comparison", "title": "Comparison", "html": "<p>{comparison}.</p>"},
        {
            "key": "findings",
            "title": "Findings",
            "html": "<p>Lungs:</p>",
            "normal": "<p>Lungs: Clear in this {patient_sex} of {patient_age}.</p>",
            "required": True,
            "fields": [
                {"key": "size", "label": "Size", "kind": "number", "unit": "mm", "minimum": 1,
                 "maximum": 300, "required": True},
                {"key": "lobe", "label": "Lobe", "kind": "choice", "choices": ["left", "right"],
                 "default": "left"},
                {"key": "sender", "label": "Sender", "kind": "text", "default": "{referrer}"},
            ],
        },
        {"key": "impression", "title": "Impression", "normal": "<p>Normal.</p>", "required": True},
    ],
}  # fmt: skip


def template(name: str = "CT chest", body: Any = None, **fields: Any) -> ReportTemplate:
    """A template with one version."""
    from reports.templating import clean_body

    made = ReportTemplate.objects.create(name=name, **{"modalities": ["CT"], **fields})
    TemplateVersion.objects.create(template=made, number=1, body=clean_body(body or BODY))
    return made


def macro(abbreviation: str = "nl", html: str = "<p>Normal.</p>", **fields: Any) -> Macro:
    return Macro.objects.create(abbreviation=abbreviation, html=html, **fields)
