"""The one gate for what people write and paste into reports, templates and macros.

What comes out holds only the markup of `reports.writing.markup` and characters that can be seen.
Whatever comes in, nothing but errors.BadContent is raised, with words that a person can act on.
"""

from __future__ import annotations

import math
import re
import uuid
from html import escape
from typing import Any

from reports import document
from reports.errors import BadContent
from reports.writing import characters, markup
from reports.writing.scanning import TooLong

MAX_PASTED = 2_000_000
"""Characters of markup that are looked at at all. Word processors paste ten times the text."""
MAX_SECTION_BYTES = 100_000
MAX_DOCUMENT_BYTES = 400_000
MAX_SECTIONS = 24
MAX_FIELDS = 100
MAX_KEY_IMAGES = 200
MAX_MEASUREMENTS = 500
MAX_VALUE = 2_000

KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
_NUMBER = re.compile(r"[+-]?\d{1,12}([.,]\d{1,9})?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_LARGEST = 1e12


def clean_html(text: str) -> str:
    """The text as the markup of a section: a fixed point of this function, safe in any page.

    Links, images and styles go, their text stays; scripts go with their text. Text without markup
    becomes a paragraph. Raises BadContent when there is too much.
    """
    if not isinstance(text, str):
        raise BadContent("The text of a section must be text.", code="not-text")
    try:
        if len(text) > MAX_PASTED:
            raise TooLong
        cleaned = _written(text, most=4 * MAX_SECTION_BYTES)
        _refuse_longer(cleaned, MAX_SECTION_BYTES, "A section of a report")
        again = _written(cleaned)
    except TooLong:
        raise BadContent(
            "That is too much to paste into a report. Paste the part that belongs here.",
            code="too-long",
        ) from None
    if again != cleaned:
        # Never seen; if a parser should disagree with itself, the words count and not the markup.
        cleaned = html_of("\n".join(markup.lines_of(markup.blocks_of(again))))
    return cleaned


def _written(text: str, *, most: int = 0) -> str:
    blocks = markup.blocks_of(characters.clean(text), most=most)
    # Entities have become characters only now.
    return markup.written(markup.with_texts(blocks, characters.clean))


def html_of(text: str) -> str:
    """Plain text as markup: each line a paragraph."""
    lines = characters.clean(text).strip("\n").split("\n")
    return "".join(f"<p>{escape(' '.join(line.split()), quote=False)}</p>" for line in lines)


def plain_text(html: str) -> str:
    """Markup as lines of text: items with "- " or numbers, rows of tables with tabs."""
    return "\n".join(markup.lines_of(markup.blocks_of(characters.clean(html)))).strip("\n")


def document_text(content: dict[str, Any]) -> str:
    """A whole document as text: its title, and each section that says something, with its fields
    before its text. Sections are apart by an empty line.
    """
    parts = [content.get("title") or ""]
    for section in content.get("sections") or []:
        lines = [
            field_text(field)
            for field in section.get("fields") or []
            if field.get("value") not in (None, "")
        ]
        if text := plain_text(section.get("html") or ""):
            lines.append(text)
        if lines:
            parts.append("\n".join([section.get("title") or section["key"], *lines]))
    return "\n\n".join(part for part in parts if part)


def field_text(field: dict[str, Any]) -> str:
    """`Size: 12 mm`."""
    words = f"{field['label'] or field['key']}: {field['value']} {field.get('unit') or ''}"
    return words.rstrip()


def clean_document(raw: Any) -> dict[str, Any]:
    """The document of `reports.document` that was sent, cleaned. A fixed point.

    What is left out is empty. Raises BadContent for what is no document.
    """
    raw = _mapping(raw, "The report", set(document.empty()))
    if raw.get("v", document.VERSION) != document.VERSION:
        raise BadContent(
            "This report was written by another version of the portal. Load the page again.",
            code="version",
        )
    cleaned = {
        "v": document.VERSION,
        "title": line_of(raw.get("title", ""), "The title", 200),
        "language": language_of(raw.get("language", "en")),
        "template": _template(raw.get("template")),
        "sections": _sections(raw.get("sections", [])),
        "key_images": _key_images(raw.get("key_images", [])),
        "measurements": _once(
            [
                _identity(entry)
                for entry in _list(raw.get("measurements", []), "measurements", MAX_MEASUREMENTS)
            ],
            "measurement",
        ),
    }
    size = len(document.canonical(cleaned))
    if size > MAX_DOCUMENT_BYTES:
        raise BadContent(
            f"The report is too long: {size // 1000} KB of at most {MAX_DOCUMENT_BYTES // 1000}"
            " KB. Shorten it or move tables into an attachment.",
            code="too-long",
        )
    return cleaned


def _sections(raw: Any) -> list[dict[str, Any]]:
    sections: list[dict[str, Any]] = []
    for entry in _list(raw, "sections", MAX_SECTIONS):
        section = _mapping(entry, "A section", {"key", "title", "html", "fields"})
        sections.append(
            {
                "key": key_of(section.get("key"), "A section"),
                "title": line_of(section.get("title", ""), "A section's title", 120),
                "html": clean_html(section.get("html", "")),
                "fields": [
                    _field(field)
                    for field in _list(section.get("fields", []), "fields", MAX_FIELDS)
                ],
            }
        )
        _once([field["key"] for field in sections[-1]["fields"]], "field")
    _once([section["key"] for section in sections], "section")
    return sections


def _field(raw: Any) -> dict[str, Any]:
    field = _mapping(raw, "A field", {"key", "label", "kind", "unit", "value"})
    kind = kind_of(field.get("kind"))
    label = line_of(field.get("label", ""), "A field's label", 120)
    return {
        "key": key_of(field.get("key"), "A field"),
        "label": label,
        "kind": kind,
        "unit": line_of(field.get("unit", "") or "", "A unit", 24),
        "value": value_of(kind, field.get("value"), label),
    }


def value_of(kind: str, value: Any, label: str) -> str | int | float | None:
    """A value of a field of this kind; None where there is none. A number may be text with a
    decimal point or comma. Raises BadContent.
    """
    if value is None or value == "":
        return None
    if kind != document.NUMBER:
        return line_of(value, f"“{label}”", MAX_VALUE) or None
    if isinstance(value, str):
        text = characters.line(value).replace("−", "-")
        if not text:
            return None
        if not _NUMBER.fullmatch(text) or _GROUPED.fullmatch(text):
            raise BadContent(
                f"“{label}” must be a number such as 12.5, without thousands separators.",
                code="not-a-number",
            )
        value = float(text.replace(",", "."))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadContent(f"“{label}” must be a number.", code="not-a-number")
    if abs(value) > _LARGEST or not math.isfinite(value):
        raise BadContent(f"“{label}” is too large a number.", code="not-a-number")
    return int(value) if float(value).is_integer() else value


def _template(raw: Any) -> dict[str, Any] | None:
    if raw is None:
        return None
    template = _mapping(raw, "The template", {"id", "version", "name"})
    numbers = {}
    for name in ("id", "version"):
        number = template.get(name)
        if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 2**53:
            raise BadContent("The report names a template that cannot be.", code="template")
        numbers[name] = number
    return {**numbers, "name": line_of(template.get("name", ""), "The template's name", 120)}


def _key_images(raw: Any) -> list[dict[str, str]]:
    images = []
    for entry in _list(raw, "key images", MAX_KEY_IMAGES):
        image = _mapping(entry, "A key image", {"id", "caption"})
        images.append(
            {
                "id": _identity(image.get("id")),
                "caption": line_of(image.get("caption", ""), "A caption", 200),
            }
        )
    _once([image["id"] for image in images], "key image")
    return images


def _identity(raw: Any) -> str:
    try:
        if not isinstance(raw, str) or len(raw) > 45:
            raise ValueError
        return str(uuid.UUID(raw))
    except ValueError:
        raise BadContent(
            "The report names a picture or measurement by what is no identifier.", code="identifier"
        ) from None


def _once(keys: list[str], what: str) -> list[str]:
    if len(set(keys)) != len(keys):
        raise BadContent(f"The same {what} is there twice.", code="twice")
    return keys


def _mapping(raw: Any, what: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise BadContent(f"{what} has not the form of one.", code="shape")
    if unknown := {str(key) for key in raw} - known:
        names = ", ".join(sorted(characters.line(name)[:40] for name in unknown)[:5])
        raise BadContent(f"{what} has parts that nobody knows: {names}.", code="unknown-part")
    return raw


def _list(raw: Any, what: str, most: int) -> list[Any]:
    if not isinstance(raw, list):
        raise BadContent(f"The {what} must be a list.", code="shape")
    if len(raw) > most:
        raise BadContent(f"Too many {what}: {len(raw)} of at most {most}.", code="too-many")
    return raw


def line_of(raw: Any, what: str, most: int) -> str:
    """One line of text of at most so many characters. Raises BadContent."""
    if not isinstance(raw, str):
        raise BadContent(f"{what} must be text.", code="not-text")
    if len(raw) > 20 * most + 200:
        raise BadContent(f"{what} is too long: at most {most} characters.", code="too-long")
    text = characters.line(raw)
    if len(text) > most:
        raise BadContent(f"{what} is too long: at most {most} characters.", code="too-long")
    return text


def key_of(raw: Any, what: str) -> str:
    """A key: lower-case letters, digits, underscores. Raises BadContent."""
    if not isinstance(raw, str) or not KEY.fullmatch(raw):
        raise BadContent(
            f"{what} needs a key of small letters, digits and underscores, at most 40.", code="key"
        )
    return raw


def kind_of(raw: Any) -> str:
    """One of document.FIELD_KINDS. Raises BadContent."""
    if not isinstance(raw, str) or raw not in document.FIELD_KINDS:
        raise BadContent("A field must be a choice, a number or a text.", code="kind")
    return raw


def language_of(raw: Any) -> str:
    """A language tag (BCP 47) such as `en` or `de-AT`. Raises BadContent."""
    if not isinstance(raw, str) or len(raw) > 12 or not LANGUAGE.fullmatch(raw):
        raise BadContent("The language must be a code such as en or de-AT.", code="language")
    return raw


def _refuse_longer(html: str, most: int, what: str) -> None:
    size = len(html.encode())
    if size > most:
        raise BadContent(
            f"{what} may have {most // 1000} KB; this has {max(size // 1000, 1)} KB."
            " Paste the part that belongs here.",
            code="too-long",
        )
