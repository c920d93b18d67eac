"""What a template says: its sections and fields, checked; and where a report's fields go beyond."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reports import document
from reports.errors import BadContent
from reports.writing.cleaning import (
    MAX_FIELDS,
    MAX_SECTIONS,
    clean_html,
    key_of,
    kind_of,
    line_of,
    value_of,
)

MAX_BODY_BYTES = 200_000
MAX_CHOICES = 60
_BODY = {"title", "sections"}
_SECTION = {"key", "title", "html", "normal", "required", "fields"}
FIELD_NAMES = (
    *("key", "label", "kind", "unit", "choices", "default", "required", "minimum", "maximum"),
)

Place = tuple[str | int, ...]


@contextmanager
def _at(*place: str | int) -> Iterator[None]:
    """What is refused inside is refused at this place: `detail["place"]`."""
    try:
        yield
    except BadContent as error:
        error.detail["place"] = (*place, *error.detail.get("place", ()))
        raise


def clean_body(raw: Any) -> dict[str, Any]:
    """The body of a TemplateVersion, cleaned. A fixed point.

    Raises BadContent; its `detail["place"]` is the way there:
    `("sections", 3, "fields", 0, "kind")`.
    """
    _known(raw, _BODY, "A template")
    with _at("title"):
        title = line_of(raw.get("title", ""), "The title", 200)
    found = _listed(raw.get("sections", []), "sections", MAX_SECTIONS)
    sections: list[dict[str, Any]] = []
    for number, entry in enumerate(found):
        with _at("sections", number):
            sections.append(_section(entry))
            _refuse_twice(sections, "section")
    if not sections:
        raise BadContent("A template needs at least one section.", code="empty")
    body = {"title": title, "sections": sections}
    if len(document.canonical(body)) > MAX_BODY_BYTES:
        raise BadContent(
            f"The template is too long: at most {MAX_BODY_BYTES // 1000} KB.", code="too-long"
        )
    return body


def _section(raw: Any) -> dict[str, Any]:
    _known(raw, _SECTION, "A section")
    with _at("key"):
        key = key_of(raw.get("key"), "A section")
    cleaned: dict[str, Any] = {"key": key}
    with _at("title"):
        cleaned["title"] = line_of(raw.get("title", ""), "A section's title", 120) or (
            document.SECTIONS.get(key, key.replace("_", " ").capitalize())
        )
    for name in ("html", "normal"):
        with _at(name):
            cleaned[name] = clean_html(raw.get(name, ""))
    cleaned["required"] = _yes(raw, "required")
    fields: list[dict[str, Any]] = []
    for number, entry in enumerate(_listed(raw.get("fields", []), "fields", MAX_FIELDS)):
        with _at("fields", number):
            fields.append(_field(entry))
            _refuse_twice(fields, "field")
    cleaned["fields"] = fields
    return cleaned


def _field(raw: Any) -> dict[str, Any]:
    _known(raw, set(FIELD_NAMES), "A field")
    with _at("key"):
        key = key_of(raw.get("key"), "A field")
    with _at("label"):
        label = line_of(raw.get("label", ""), "A field's label", 120)
        if not label:
            raise BadContent("A field needs a label.", code="label")
    with _at("kind"):
        kind = kind_of(raw.get("kind"))
    with _at("unit"):
        unit = line_of(raw.get("unit", "") or "", "A unit", 24)
    with _at("choices"):
        choices = _choices(kind, raw.get("choices", []), label)
    bounds: dict[str, Any] = {}
    for name in ("minimum", "maximum"):
        with _at(name):
            bounds[name] = value_of(document.NUMBER, raw.get(name), label)
            if bounds[name] is not None and kind != document.NUMBER:
                raise BadContent(f"“{label}” is no number and has no {name}.", code="bounds")
    with _at("maximum"):
        if None not in bounds.values() and bounds["minimum"] > bounds["maximum"]:
            raise BadContent(f"“{label}”: the least is more than the most.", code="bounds")
    field = {
        "key": key, "label": label, "kind": kind, "unit": unit, "choices": choices,
        "default": None, "required": _yes(raw, "required"), **bounds,
    }  # fmt: skip
    with _at("default"):
        field["default"] = value_of(kind, raw.get("default"), label)
        if problem := _wrong(field, field["default"]):
            raise BadContent(problem, code="default")
    return field


def _choices(kind: str, raw: Any, label: str) -> list[str]:
    choices = [line_of(entry, "A choice", 160) for entry in _listed(raw, "choices", MAX_CHOICES)]
    if kind != document.CHOICE:
        if choices:
            raise BadContent(f"“{label}” is no choice and has choices.", code="choices")
        return []
    if not choices or "" in choices:
        raise BadContent(f"“{label}” needs choices, none of them empty.", code="choices")
    if len(set(choices)) != len(choices):
        raise BadContent(f"“{label}” has the same choice twice.", code="twice")
    return choices


def _wrong(field: dict[str, Any], value: Any) -> str:
    """What is wrong with a value, in words; nothing with none."""
    if value is None or value == "":
        return ""
    label, unit = field["label"], f" {field['unit']}" if field["unit"] else ""
    if field["kind"] == document.CHOICE and value not in field["choices"]:
        return f"“{label}” is none of its choices."
    if field["kind"] == document.NUMBER:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"“{label}” is no number."
        least, most = field["minimum"], field["maximum"]
        if least is not None and value < least:
            return f"“{label}” is less than {least}{unit}."
        if most is not None and value > most:
            return f"“{label}” is more than {most}{unit}."
    return ""


def objections(content: dict[str, Any], body: dict[str, Any]) -> list[tuple[str, str]]:
    """What a document says that the template's version does not allow: numbers out of their range,
    choices that are none. The section's key, and words for people, in the template's order.
    """
    written = {section["key"]: section for section in content.get("sections", [])}
    found: list[tuple[str, str]] = []
    for section in body["sections"]:
        fields = written.get(section["key"], {}).get("fields") or []
        values = {field["key"]: field["value"] for field in fields}
        for field in section["fields"]:
            if problem := _wrong(field, values.get(field["key"])):
                found.append((section["key"], problem))
    return found


def _known(raw: Any, known: set[str], what: str) -> None:
    if not isinstance(raw, dict):
        raise BadContent(f"{what} has not the form of one.", code="shape")
    for name in raw:
        if name not in known:
            shown = line_of(str(name)[:40], "A name", 40)
            raise BadContent(
                f"{what} has no “{shown}”.", code="unknown-part", place=(str(name)[:40],)
            )


def _listed(raw: Any, what: str, most: int) -> list[Any]:
    if not isinstance(raw, list):
        raise BadContent(f"The {what} must be a list.", code="shape", place=(what,))
    if len(raw) > most:
        raise BadContent(
            f"Too many {what}: {len(raw)} of at most {most}.", code="too-many", place=(what,)
        )
    return raw


def _refuse_twice(rows: list[dict[str, Any]], what: str) -> None:
    if rows[-1]["key"] in {row["key"] for row in rows[:-1]}:
        raise BadContent(
            f"There are two {what}s with the key “{rows[-1]['key']}”.", code="twice", place=("key",)
        )


def _yes(raw: dict[str, Any], name: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise BadContent(f"“{name}” is either true or false.", code="shape", place=(name,))
    return value
