"""What the page of a report shows of a version: plain values, so that the template only places
them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.html import strip_tags
from django.utils.safestring import SafeString

from reports.models import Report, ReportState, ReportVersion, VersionKind
from reports.output import markup, shown
from reports.output.html import field_value


@dataclass(frozen=True, slots=True)
class Section:
    """A section that says something. `html` is the restricted markup, cleaned once more."""

    title: str
    html: SafeString | str
    fields: list[tuple[str, str]]
    direction: str


@dataclass(frozen=True, slots=True)
class Part:
    """A report or an addendum to it, with who signed it."""

    version: ReportVersion
    sections: list[Section]
    measurements: list[str]
    pictures: list[tuple[str, str]]
    """(SHA-256, caption) of key images."""

    @property
    def is_addendum(self) -> bool:
        return self.version.kind == VersionKind.ADDENDUM


class ReportPage:
    """`version`: the one that is shown, with the addenda up to it; None where nothing is signed."""

    def __init__(
        self, report: Report, versions: list[ReportVersion], version: ReportVersion | None
    ) -> None:
        self.report = report
        self.study = report.study
        self.versions = versions[::-1]
        self.version = version
        self.newest = versions[-1] if versions else None
        self.title = ""
        self.parts: list[Part] = []
        if version is None:
            return
        signed = shown.of_version(version)
        self.parts = [
            _part(each.content, each.version) for each in signed.parts if each.version is not None
        ]
        self.title = _clean(signed.parts[0].content.get("title"))

    @property
    def is_old(self) -> bool:
        """Whether something was signed after the version that is shown."""
        return self.version is not None and self.version != self.newest

    @property
    def is_withdrawn(self) -> bool:
        return self.report.state == ReportState.WITHDRAWN

    @property
    def is_preliminary(self) -> bool:
        return self.version is not None and self.version.kind == VersionKind.PRELIMINARY

    @property
    def can_compare(self) -> bool:
        return len([v for v in self.versions if v.kind != VersionKind.WITHDRAWAL]) > 1


def _part(content: dict[str, Any], version: ReportVersion) -> Part:
    return Part(
        version,
        list(_sections(content)),
        [
            " ".join(part for part in (_clean(one.get("label")), _clean(one.get("text"))) if part)
            for one in content.get("measurements") or []
            if isinstance(one, dict)
        ],
        [
            (str(one["sha256"]), _clean(one.get("caption")))
            for one in content.get("key_images") or []
            if isinstance(one, dict) and one.get("sha256")
        ],
    )


def _sections(content: dict[str, Any]) -> Iterator[Section]:
    for section in content.get("sections") or []:
        html = markup.allowed(str(section.get("html") or ""))
        said = strip_tags(html).strip()
        fields = [
            (_clean(one.get("label") or one.get("key")), value)
            for one in section.get("fields") or []
            if (value := field_value(one))
        ]
        if said or fields:
            title = _clean(section.get("title"))
            yield Section(title, html if said else "", fields, markup.direction(said or title))


def _clean(value: Any) -> str:
    return markup.clean_text(str(value or "")).strip()
