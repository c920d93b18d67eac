"""A report as a page: for the screen, and what the typesetter makes the PDF of."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import segno
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import strip_tags

from pacs.accounts.models import validate_time_zone
from reports import document
from reports.letterhead import services as letterheads
from reports.letterhead.models import Letterhead
from reports.models import Report, ReportVersion, VersionKind
from reports.output import markup, shown, words
from reports.output.pictures import Pictures, Source
from reports.output.shown import Part, Shown
from studies.dicom.charset import display_name


@dataclass
class Page:
    """A document and what it needs: pictures by name, for the typesetter; what is wrong, in words
    fit for a reader."""

    markup: str
    paper: str = Letterhead.Paper.A4
    pictures: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def render(
    version_or_draft: ReportVersion | Report, *, for_print: bool = False, problems: Any = ()
) -> str:
    """The report as a whole page. For a version: as it was when that version was signed.

    On the screen its pictures are fetched from the portal; `for_print` names them for the
    typesetter instead (see `page`).
    """
    if for_print:
        return page(version_or_draft, problems).markup
    found = _shown(version_or_draft)
    letterhead = letterheads.of_site(found.facts["site"]["id"])
    doc = _Builder(found, letterhead, Pictures(on_screen=True)).document(list(problems))
    return render_to_string("reports/document.html", {"doc": doc})


def page(version_or_draft: ReportVersion | Report, problems: Any = ()) -> Page:
    """The report for the typesetter, with the bytes of its pictures.

    A key image that is not in the archive, or is not what was signed, is a statement in its place
    and among the `problems`. Raises RetriableError where the archive cannot be reached.
    """
    found = _shown(version_or_draft)
    letterhead = letterheads.of_site(found.facts["site"]["id"])
    pictures = Pictures(on_screen=False)
    doc = _Builder(found, letterhead, pictures).document(list(problems))
    text = render_to_string("reports/document_print.html", {"doc": doc})
    return Page(text, letterhead.paper, pictures.bytes, pictures.problems)


def sample(letterhead: Letterhead) -> Page:
    """A page that shows a letterhead, with nobody's findings on it."""
    content = {
        **document.empty("Sample", letterhead.language),
        "patient": {"name": "Sample^Patient", "id": "0000", "birth_date": "19700101", "sex": "O"},
        "study": {"id": 0, "description": "Sample", "date": "20260101", "modalities": ["CT"]},
        "site": {"name": letterhead.site.name, "timezone": letterhead.site.timezone},
    }
    for section in content["sections"]:
        section["html"] = "<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit.</p>"
    found = Shown((Part(content),), shown.DRAFT, content)
    pictures = Pictures(on_screen=False)
    doc = _Builder(found, letterhead, pictures).document([])
    text = render_to_string("reports/document_print.html", {"doc": doc})
    return Page(text, letterhead.paper, pictures.bytes, pictures.problems)


def verify_url(version: ReportVersion) -> str:
    """Where anybody may check the version; "" where the portal has no public address."""
    if not settings.PUBLIC_URL:
        return ""
    path = reverse("report-verify", args=[version.verification])
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}"


def _shown(version_or_draft: ReportVersion | Report) -> Shown:
    if isinstance(version_or_draft, Report):
        return shown.of_draft(version_or_draft)
    return shown.of_version(version_or_draft)


class _Builder:
    """Makes the template's `doc`: texts and directions only, so that the template decides nothing
    but where things stand."""

    def __init__(self, found: Shown, letterhead: Letterhead, pictures: Pictures) -> None:
        self._shown = found
        self._letterhead = letterhead
        self._pictures = pictures
        self._content = found.parts[0].content
        language = str(self._content.get("language") or letterhead.language or "en")
        self._language = language
        self._said, self._words = words.words_for(language, letterhead.language)
        self._zone = _zone(found.facts["site"].get("timezone"))

    def document(self, problems: list[str]) -> dict[str, Any]:
        """What the template shows."""
        facts, version = self._shown.facts, self._shown.version
        patient, study = facts["patient"], facts["study"]
        heading = self._letterhead.heading or facts["site"]["name"]
        parts = [self._part(part) for part in self._shown.parts]
        addenda = [part for part in self._shown.parts if part.is_addendum and part.version]
        verify = verify_url(version) if version is not None else ""
        return {
            "words": self._words,
            "language": self._language,
            "direction": markup.RTL if words.is_right_to_left(self._language) else markup.LTR,
            "mark": self._shown.mark,
            "mark_words": self._words.get(self._shown.mark, ""),
            "mark_why": self._words.get(f"{self._shown.mark}_why", ""),
            **self._withdrawal(),
            "patient_name": _names(patient.get("name")) or "–",
            "patient_direction": markup.direction(_names(patient.get("name"))),
            "patient_id": _clean(patient.get("id") or "–"),
            "birth_date": dicom_date(patient.get("birth_date")),
            "accession_number": _clean(study.get("accession_number")),
            "footer": _clean(self._letterhead.footer),
            "number": self._number(version),
            "logo": self._logo(),
            "heading": _clean(heading),
            "heading_direction": markup.direction(heading),
            "address": _clean(self._letterhead.address),
            "address_direction": markup.direction(self._letterhead.address),
            "title": self._title(study),
            "title_direction": markup.direction(self._title(study)),
            "kind": self._kind(),
            "signed": self._moment(facts.get("signed_at")),
            "created": _w3c(facts.get("signed_at")),
            "facts": self._facts(patient, study),
            "has_addenda": bool(addenda),
            "addenda": [
                {
                    "signed_at": self._moment(part.content.get("signed_at")),
                    "signer": _signer(part.content),
                }
                for part in addenda
            ],
            "parts": parts,
            "problems": problems,
            "content_sha256": version.content_sha256 if version is not None else "",
            "verify_url": verify,
            "qr": self._qr(verify),
        }

    def _title(self, study: dict[str, Any]) -> str:
        title = self._content.get("title") or study.get("description") or self._words["report"]
        return _clean(title)

    def _kind(self) -> str:
        if self._shown.mark == shown.PRELIMINARY:
            return self._words["preliminary"]
        if self._shown.mark:
            return f"{self._words['report']} ({self._words[self._shown.mark]})"
        if any(part.is_addendum for part in self._shown.parts):
            return f"{self._words['final']} + {self._words['addendum']}"
        return self._words["final"]

    def _number(self, version: ReportVersion | None) -> str:
        return "" if version is None else f"#{version.report_id}.{version.number}"

    def _withdrawal(self) -> dict[str, Any]:
        if self._shown.withdrawal is None:
            return {}
        content = self._shown.withdrawal.content
        reason = _clean(content.get("reason"))
        return {
            "withdrawn_by": _signer(content),
            "withdrawn_at": self._moment(content.get("signed_at")),
            "reason": reason,
            "reason_direction": markup.direction(reason),
        }

    def _facts(self, patient: dict[str, Any], study: dict[str, Any]) -> list[Any]:
        """Rows of two columns: the patient's, the study's."""
        sex = str(patient.get("sex") or "")
        issuer = _clean(patient.get("issuer"))
        number = _clean(patient.get("id"))
        when = " ".join(
            part for part in (dicom_date(study.get("date")), dicom_time(study.get("time"))) if part
        )
        examination = ", ".join(
            part
            for part in (
                _clean(study.get("description")),
                "/".join(_clean(one) for one in study.get("modalities") or []),
            )
            if part
        )
        left = [
            self._fact("patient", _names(patient.get("name")), is_name=True),
            self._fact("id", f"{number} ({issuer})" if issuer and number else number),
            self._fact("born", dicom_date(patient.get("birth_date"))),
            self._fact("sex", self._words.get(sex, _clean(sex))),
        ]
        right = [
            self._fact("examination", examination),
            self._fact("date", when),
            self._fact("accession", _clean(study.get("accession_number"))),
            self._fact("referrer", _names(study.get("referring_physician"))),
        ]
        return [([one], [other]) for one, other in zip(left, right, strict=True)]

    def _fact(self, word: str, value: str, *, is_name: bool = False) -> dict[str, Any]:
        return {
            "label": self._words[word],
            "value": value or "–",
            "direction": markup.direction(value),
            "is_name": is_name,
        }

    def _part(self, part: Part) -> dict[str, Any]:
        content = part.content
        title = self._words["addendum"] if part.is_addendum else ""
        signer, cosigner = _signer(content), _signer(content, "cosigner")
        return {
            "addendum_title": title,
            "differs": self._differs(part),
            "sections": [
                made
                for section in content.get("sections") or []
                if (made := self._section(section))["html"] or made["fields"]
            ],
            "measurements": [
                {
                    "label": _clean(one.get("label") or one.get("tool")),
                    "text": _clean(one.get("text")),
                    "direction": markup.direction(str(one.get("label") or "")),
                }
                for one in content.get("measurements") or []
                if isinstance(one, dict)
            ],
            "images": [
                self._image(part, image)
                for image in content.get("key_images") or []
                if isinstance(image, dict)
            ],
            "signer": signer if content.get("signed_at") else "",
            "signed_at": self._moment(content.get("signed_at")),
            "cosigner": cosigner,
        }

    def _differs(self, part: Part) -> str:
        """The patient that a part was signed for, where the head names another."""
        then, now = part.content.get("patient") or {}, self._shown.facts["patient"]
        if all(then.get(key) == now.get(key) for key in ("id", "issuer", "name", "birth_date")):
            return ""
        said = (
            _names(then.get("name")),
            _clean(then.get("id")),
            dicom_date(then.get("birth_date")),
        )
        return ", ".join(one for one in said if one)

    def _section(self, section: dict[str, Any]) -> dict[str, Any]:
        html = markup.allowed(str(section.get("html") or ""))
        text = strip_tags(html).strip()
        fields = [
            {
                "label": _clean(one.get("label") or one.get("key")),
                "value": said,
                "direction": markup.direction(said),
            }
            for one in section.get("fields") or []
            if (said := field_value(one))
        ]
        key = str(section.get("key") or "")
        title = _clean(section.get("title"))
        return {
            "key": key,
            "title": "" if key == VersionKind.ADDENDUM else title,
            "html": html if text else "",
            "fields": fields,
            "direction": markup.direction(text or title),
        }

    def _image(self, part: Part, image: dict[str, Any]) -> dict[str, Any]:
        caption = _clean(image.get("caption"))
        source = Source(
            version=part.version,
            study_id=self._shown.facts["study"]["id"],
            key_image=_uuid(image.get("id")),
            sha256=str(image.get("sha256") or ""),
            archive_key=str(image.get("archive_key") or ""),
        )
        found, number = self._pictures.address(source)
        return {
            "src": found,
            "number": number,
            "caption": caption,
            "direction": markup.direction(caption),
        }

    def _logo(self) -> str:
        logo = bytes(self._letterhead.logo or b"")
        kind = letterheads.media_type(logo)
        return self._pictures.inline("logo", logo, kind) if kind else ""

    def _qr(self, url: str) -> str:
        if not url:
            return ""
        out = BytesIO()
        segno.make(url, error="m", micro=False).save(out, kind="svg", border=0, xmldecl=False)
        return self._pictures.inline("qr", out.getvalue(), "image/svg+xml")

    def _moment(self, text: Any) -> str:
        found = shown.moment(text)
        if found is None:
            return ""
        return f"{found.astimezone(self._zone):%Y-%m-%d %H:%M} ({self._zone.key})"


def field_value(field: dict[str, Any]) -> str:
    """What a field says, with its unit; "" where it says nothing."""
    value = field.get("value")
    if value is None or value == "" or value == []:
        return ""
    said = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    unit = str(field.get("unit") or "")
    return _clean(f"{said} {unit}".strip())


def dicom_date(value: Any) -> str:
    """`19610423` as `1961-04-23`; anything else as it is."""
    text = _clean(value)
    if len(text) == 8 and text.isdecimal():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text


def dicom_time(value: Any) -> str:
    """`101542.000` as `10:15`."""
    text = _clean(value).replace(":", "")
    return f"{text[:2]}:{text[2:4]}" if text[:4].isdecimal() and len(text) >= 4 else ""


def _names(name: Any) -> str:
    """Every group of a person's name, as `DOE, Jane` (PS3.5 6.2.1)."""
    groups = [display_name(group) for group in str(name or "").split("=")]
    return _clean(" · ".join(group for group in groups if group))


def _signer(content: dict[str, Any], who: str = "signer") -> str:
    person = content.get(who)
    return _clean(person.get("name")) if isinstance(person, dict) else ""


def _clean(value: Any) -> str:
    return markup.clean_text(str(value or "")).strip()


def _uuid(value: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        return None


def _zone(name: Any) -> ZoneInfo:
    try:
        validate_time_zone(str(name))
    except Exception:  # a zone that this server's database does not know
        return ZoneInfo("UTC")
    return ZoneInfo(str(name))


def _w3c(text: Any) -> str:
    found = shown.moment(text)
    return "" if found is None else _utc(found)


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(ZoneInfo('UTC')):%Y-%m-%dT%H:%M:%SZ}"
