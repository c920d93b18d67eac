"""A template's body as text (TOML), for administrators and for the start set.

    title = "CT head"

    [[sections]]
    key = "findings"
    required = true
    normal = '''
    No acute haemorrhage.
    - Ventricles: normal
    '''

      [[sections.fields]]
      key = "size"
      label = "Size"
      kind = "number"
      unit = "mm"

Texts are lines, each a paragraph, those that begin with "- " a list; or markup where they begin
with "<".
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from reports.errors import BadContent
from reports.templating.body import FIELD_NAMES, MAX_BODY_BYTES, Place, clean_body
from reports.writing import characters, markup
from reports.writing.cleaning import clean_html

_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")
_SECTION = re.compile(r"\s*\[\[\s*sections\s*\]\]")
_FIELD = re.compile(r"\s*\[\[\s*sections\s*\.\s*fields\s*\]\]")
_TEXTS = ("html", "normal")


def read(text: str) -> dict[str, Any]:
    """The body that the text says. Raises BadContent with the line in `detail["line"]`."""
    text = characters.clean(text)
    if len(text) > 2 * MAX_BODY_BYTES:
        raise BadContent("The template is too long.", code="too-long", line=1)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        words = _AT_LINE.sub("", str(error))
        raise BadContent(f"Line {line}: {words}.", code="syntax", line=line) from None
    except RecursionError:
        raise BadContent("The template is nested too deeply.", code="syntax", line=1) from None
    for section in raw.get("sections", []) if isinstance(raw.get("sections"), list) else []:
        if isinstance(section, dict):
            for name in _TEXTS:
                if isinstance(section.get(name), str):
                    section[name] = _html(section[name])
    try:
        return clean_body(raw)
    except BadContent as error:
        line = _line_of(text, error.detail.get("place", ()))
        raise BadContent(
            f"Line {line}: {error.words}",
            code=error.code,
            line=line,
            place=error.detail.get("place"),
        ) from None


def _html(text: str) -> str:
    if text.lstrip().startswith("<"):
        return text
    out: list[str] = []
    items: list[str] = []
    for line in [*(line.strip() for line in text.strip("\n").split("\n")), None]:
        if line is not None and line.startswith("- "):
            items.append(f"<li>{_escaped(line[2:])}</li>")
            continue
        if items:
            out.append(f"<ul>{''.join(items)}</ul>")
            items = []
        if line is not None and (line or out):
            out.append(f"<p>{_escaped(line)}</p>")
    return "".join(out).removesuffix("<p></p>")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _line_of(text: str, place: Place | None) -> int:
    """The line of a place: of its key where that is found, else of the table that it is in."""
    lines = text.split("\n")
    line, names = 0, [part for part in place or () if isinstance(part, str)]
    numbers = [part for part in place or () if isinstance(part, int)]
    for header, number in zip((_SECTION, _FIELD), numbers, strict=False):
        seen = -1
        for at in range(line, len(lines)):
            if header.match(lines[at]):
                seen += 1
                if seen == number:
                    # A field's table is sought from its section's.
                    line = at
                    break
    if names:
        key = re.compile(rf"\s*(\"?){re.escape(names[-1])}\1\s*=")
        for at in range(line, len(lines)):
            if at > line and lines[at].lstrip().startswith("[["):
                break
            if key.match(lines[at]):
                return at + 1
    return line + 1


def write(body: dict[str, Any]) -> str:
    """The text of a body; `read` gives the body again."""
    out = [f"title = {_quoted(body['title'])}"]
    for section in body["sections"]:
        out += ["", "[[sections]]", f"key = {_quoted(section['key'])}"]
        out.append(f"title = {_quoted(section['title'])}")
        if section["required"]:
            out.append("required = true")
        out += [f"{name} = {_text(section[name])}" for name in _TEXTS if section[name]]
        for field in section["fields"]:
            out += ["", "  [[sections.fields]]"]
            for name in FIELD_NAMES:
                value = field[name]
                if value is not None and value is not False and value not in ("", []):
                    out.append(f"  {name} = {_value(value)}")
    return "\n".join(out) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_quoted, value))}]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _text(html: str) -> str:
    lines = "\n".join(markup.lines_of(markup.blocks_of(html)))
    shown = lines if clean_html(_html(lines)) == html else html
    if "\n" not in shown and len(shown) < 90:
        return _quoted(shown)
    quoted = _quoted(shown)[1:-1].replace("\\n", "\n").replace('\\"', '"')
    return '"""\n' + quoted.replace('"""', '""\\"') + '\n"""'
