"""The checks of reports.checks on a report as it stands, and the signer's answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils import timezone

from reports.checks import BLOCKING, WARNING, Finding, check
from reports.errors import Refused
from reports.models import Report, VersionKind
from reports.signing.freezing import patient_facts, settled, study_facts
from reports.signing.steps import Opened
from reports.templating.body import objections
from reports.templating.models import TemplateVersion
from studies.models import Study

ANSWER_LENGTH = 500
# A preliminary report may be unfinished; the final one may not.
UNFINISHED = ("required",)


@dataclass(frozen=True, slots=True)
class Beside:
    """What else the person has open, as their browser says: studies, another patient's images."""

    studies: tuple[int, ...] = ()
    is_other_patient: bool = False


class Unanswered(Refused):
    """`detail["findings"]` has those that block or want an answer, as `as_json` gives them."""

    code = "findings"


def as_json(finding: Finding) -> dict[str, str]:
    """A finding for dialogs and REST."""
    return {
        "key": finding.key,
        "code": finding.code,
        "severity": finding.severity,
        "words": finding.words,
        "where": finding.where,
    }


def examine(report: Report, study: Study, who: Any, beside: Beside, *, kind: str) -> list[Finding]:
    """What the checks say about signing the draft as `kind` now."""
    template = _template(report.content)
    facts = {
        "patient": patient_facts(study),
        "study": study_facts(study),
        "order": _order(study),
        "series": [
            {"laterality": each.laterality, "description": each.series_description}
            for each in study.series.only("laterality", "series_description")
        ],
        "today": timezone.localdate().isoformat(),
        "required": _required(template),
        "objections": objections(report.content, template),
        "open_patients": _open_patients(study, who, beside),
    }
    found = check(report.content, facts)
    if kind == VersionKind.PRELIMINARY:
        return [
            replace(each, severity=WARNING) if each.code in UNFINISHED else each for each in found
        ]
    return found


def require_answers(
    opened: Opened, answers: Mapping[str, Any] | None, beside: Beside, *, kind: str
) -> dict[str, Any]:
    """The answers as they are kept with the version: by key, to what kind of finding.

    Raises Unanswered for what blocks and for warnings without an answer. The finding's own words
    are not kept: they may quote somebody else's name.
    """
    found = examine(opened.report, opened.study, opened.signer.user, beside, kind=kind)
    answers = answers or {}
    kept: dict[str, Any] = {}
    left: list[Finding] = []
    for finding in found:
        answer = str(answers.get(finding.key) or "").strip()[:ANSWER_LENGTH]
        if finding.severity == BLOCKING or (finding.severity == WARNING and not answer):
            left.append(finding)
        elif finding.severity == WARNING:
            kept[finding.key] = {"code": finding.code, "where": finding.where, "answer": answer}
        else:
            kept[finding.key] = {"code": finding.code, "where": finding.where, "answer": ""}
    if left:
        raise Unanswered(
            "There is something to put right or to answer before this is signed.",
            findings=[as_json(each) for each in left],
        )
    return dict(settled(kept))


def _order(study: Study) -> dict[str, str] | None:
    order = study.orders.order_by("-id").first()
    if order is None:
        return None
    return {"description": order.requested_procedure_description, "reason": order.reason[:300]}


def _template(content: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the report's template, as it was when it was chosen."""
    template = content.get("template")
    version = (
        template
        and TemplateVersion.objects.filter(
            template_id=template.get("id"), number=template.get("version")
        ).first()
    )
    return version.body if version else {"sections": []}


def _required(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sections and fields that a template asks for."""
    wanted: list[dict[str, Any]] = []
    for section in body["sections"]:
        key, title = section["key"], section.get("title") or section["key"]
        if section.get("required"):
            wanted.append({"section": key, "key": None, "label": title})
        wanted += [
            {"section": key, "key": field["key"], "label": field.get("label") or field["key"]}
            for field in section.get("fields") or []
            if field.get("required")
        ]
    return wanted


def _open_patients(study: Study, who: Any, beside: Beside) -> list[dict[str, str]]:
    """Other patients among the open studies; the same person under another number is another."""
    ids = [pk for pk in beside.studies if pk != study.pk][:20]
    others = (
        Study.objects.visible_to(who).filter(pk__in=ids).exclude(patient_ref=study.patient_ref_id)
    )
    found = [{"id": other.patient_id, "name": other.patient_name} for other in others]
    # The browser sees windows that name no study here.
    return found or ([{"id": "", "name": ""}] if beside.is_other_patient else [])
