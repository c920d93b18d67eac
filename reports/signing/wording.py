"""A frozen version as plain text, for search and HL7."""

from __future__ import annotations

from typing import Any


def plain(frozen: dict[str, Any]) -> str:
    """Title, sections with their fields, measurements and captions, a line each."""
    from reports.writing.cleaning import plain_text

    lines: list[str] = []
    if frozen.get("title"):
        lines += [str(frozen["title"]), ""]
    if frozen.get("kind") == "withdrawal":
        lines += [f"WITHDRAWN: {frozen.get('reason', '')}", ""]
    for section in frozen.get("sections", []):
        body = plain_text(section.get("html") or "").strip()
        fields = [
            f"{field.get('label') or field.get('key')}: {field['value']} {field.get('unit') or ''}"
            for field in section.get("fields") or []
            if field.get("value") not in (None, "")
        ]
        if body or fields:
            lines.append(f"{section.get('title') or section.get('key')}:")
            lines += [*[line.rstrip() for line in fields], *([body] if body else []), ""]
    texts = [
        f"{each['label']}: {each['text']}" if each.get("label") else each["text"]
        for each in frozen.get("measurements", [])
        if each.get("text")
    ]
    if texts:
        lines += ["Measurements:", *texts, ""]
    captions = [each["caption"] for each in frozen.get("key_images", []) if each.get("caption")]
    if captions:
        lines += ["Key images:", *captions, ""]
    return "\n".join(lines).strip()
