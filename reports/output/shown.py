"""What the output of a version shows: the report that it belongs to, and what was added to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reports.models import Report, ReportVersion, VersionKind
from studies.models import Study

DRAFT, PRELIMINARY, WITHDRAWN = "draft", "preliminary", "withdrawn"
REPORTS = (VersionKind.PRELIMINARY, VersionKind.FINAL)


@dataclass(frozen=True, slots=True)
class Part:
    """A signed version, or the draft that is shown with them (`version` None)."""

    content: dict[str, Any]
    version: ReportVersion | None = None

    @property
    def is_addendum(self) -> bool:
        return self.content.get("kind") == VersionKind.ADDENDUM


@dataclass(frozen=True, slots=True)
class Shown:
    """`parts`: the report and its addenda, the oldest first. `mark`: "", DRAFT, PRELIMINARY or
    WITHDRAWN. `facts`: the content whose patient, study and site stand at the head. `withdrawal`:
    the version that withdrew it."""

    parts: tuple[Part, ...]
    mark: str
    facts: dict[str, Any]
    version: ReportVersion | None = None
    withdrawal: ReportVersion | None = None

    @property
    def versions(self) -> list[ReportVersion]:
        """The signed versions that are shown, the oldest first."""
        found = [part.version for part in self.parts if part.version is not None]
        return found if self.withdrawal is None else [*found, self.withdrawal]


def of_version(version: ReportVersion) -> Shown:
    """The same for a version whenever it is asked: nothing that came after it."""
    before = list(
        ReportVersion.objects.filter(report=version.report_id, number__lte=version.number).order_by(
            "number"
        )
    )
    withdrawal = version if version.kind == VersionKind.WITHDRAWAL else None
    signed = [one for one in before if one.kind != VersionKind.WITHDRAWAL]
    parts = _parts(signed)
    if not parts:  # a withdrawal by itself
        parts = (Part(version.content, version),)
    mark = ""
    if withdrawal is not None:
        mark = WITHDRAWN
    elif version.kind == VersionKind.PRELIMINARY:
        mark = PRELIMINARY
    return Shown(parts, mark, version.content, version, withdrawal)


def of_draft(report: Report) -> Shown:
    """The draft as it would be signed now, after what an addendum adds to."""
    signed = report.versions.exclude(kind=VersionKind.WITHDRAWAL).order_by("number")
    content = {**report.content, **facts_now(report.study), "signed_at": None}
    before: tuple[Part, ...] = ()
    if report.is_addending:
        content["kind"] = VersionKind.ADDENDUM.value
        before = _parts(list(signed))
    return Shown((*before, Part(content)), DRAFT, content)


def _parts(signed: Iterable[ReportVersion]) -> tuple[Part, ...]:
    """The last report among them, with the addenda after it."""
    parts: list[Part] = []
    for one in signed:
        if one.kind in REPORTS:
            parts.clear()
        parts.append(Part(one.content, one))
    return tuple(parts)


def facts_now(study: Study) -> dict[str, Any]:
    """What a frozen content says of patient, study and site, of the study as it is now."""
    return {
        "patient": {
            "id": study.patient_id,
            "issuer": study.issuer_of_patient_id,
            "name": study.patient_name,
            "birth_date": study.patient_birth_date,
            "sex": study.patient_sex,
        },
        "study": {
            "id": study.pk,
            "uid": study.study_instance_uid,
            "date": study.study_date,
            "time": study.study_time,
            "description": study.study_description,
            "accession_number": study.accession_number,
            "modalities": study.modality_list,
            "referring_physician": study.referring_physician_name,
            "body_part": study.body_part_examined,
        },
        "site": {
            "id": study.site_id,
            "name": study.site.name,
            "slug": study.site.slug,
            "timezone": study.site.timezone,
        },
    }


def moment(text: Any) -> datetime | None:
    """A frozen moment (ISO 8601), or None."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
