"""The text of sections as plain lines, for SR, HL7 and FHIR."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from reports.output import html as documents
from reports.output import markup, shown
from reports.output.shown import Shown

BULLET = "- "


def lines(text: str) -> list[str]:
    """Lines of the restricted markup: a paragraph, list item or table row each; cells are set off
    by ` | `."""
    reader = _Reader()
    reader.feed(markup.allowed(text))
    reader.close()
    reader.end_line()
    return reader.lines


def section_lines(section: dict[str, Any]) -> list[str]:
    """Fields, then text, of a section."""
    fields = [
        f"{markup.clean_text(str(one.get('label') or one.get('key') or ''))}: {said}"
        for one in section.get("fields") or []
        if (said := documents.field_value(one))
    ]
    return fields + lines(str(section.get("html") or ""))


def sections(content: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Key, title and lines of each section that says something."""
    return [
        (str(section.get("key") or ""), markup.clean_text(str(section.get("title") or "")), found)
        for section in content.get("sections") or []
        if (found := section_lines(section))
    ]


def measurement_lines(content: dict[str, Any]) -> list[str]:
    """`Nodule: 12.3 mm` for each measurement."""
    return [
        ": ".join(
            part
            for part in (
                markup.clean_text(str(one.get("label") or one.get("tool") or "")),
                markup.clean_text(str(one.get("text") or "")),
            )
            if part
        )
        for one in content.get("measurements") or []
        if isinstance(one, dict)
    ]


def whole(found: Shown) -> str:
    """Everything that is shown, as one text."""
    said: list[str] = []
    if found.mark == shown.WITHDRAWN:
        return withdrawn_words(found)
    for part in found.parts:
        if part.is_addendum:
            said += ["", f"Addendum {part.content.get('signed_at') or ''}".strip()]
        for _key, title, text in sections(part.content):
            said += ["", *([title] if title else []), *text]
        if measured := measurement_lines(part.content):
            said += ["", "Measurements", *measured]
        if signer := signer_of(part.content):
            said += ["", f"Signed electronically by {signer}"]
    return "\n".join(said).strip()


def withdrawn_words(found: Shown) -> str:
    """What is said in place of a report that was withdrawn; nothing of what it said."""
    reason = markup.clean_text(str(found.facts.get("reason") or "")).strip()
    return "\n".join(
        part
        for part in ("This report was withdrawn. Do not use it.", reason and f"Reason: {reason}")
        if part
    )


def signer_of(content: dict[str, Any]) -> str:
    """Who signed, and who signed with them."""
    people = (content.get("signer"), content.get("cosigner"))
    names = [str(one.get("name") or "") for one in people if isinstance(one, dict)]
    return ", ".join(markup.clean_text(name) for name in names if name)


class _Reader(HTMLParser):
    """Collects lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._line = ""
        self._lists: list[int | None] = []
        self._cells: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("ul", "ol"):
            self.end_line()
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self.end_line()
            self._line = self._mark()
        elif tag == "tr":
            self.end_line()
            self._cells = []
        elif tag == "br" and self._cells is None:
            self.end_line()
        elif tag in ("p", "br") and self._line and not self._line.endswith((" ", BULLET)):
            if self._cells is None:
                self.end_line()
            else:
                self._line += " "

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cells is not None:
            self._cells.append(" ".join(self._line.split()))
            self._line = ""
        elif tag == "tr" and self._cells is not None:
            cells, self._cells = self._cells, None
            self._line = " | ".join(cells)
            self.end_line()
        elif tag in ("ul", "ol"):
            self.end_line()
            if self._lists:
                self._lists.pop()
        elif tag in ("p", "li") and self._cells is None:
            self.end_line()

    def handle_data(self, data: str) -> None:
        self._line += data.replace("\n", " ").replace("\r", " ").replace("\t", " ")

    def end_line(self) -> None:
        """What was collected is a line, where it says something."""
        indent = len(self._line) - len(self._line.lstrip(" ")) if self._lists else 0
        text = " ".join(self._line.split())
        if text and text != BULLET.strip():
            self.lines.append(" " * indent + text)
        self._line = ""

    def _mark(self) -> str:
        """What stands before an item of the innermost list."""
        indent = "  " * max(len(self._lists) - 1, 0)
        number = self._lists[-1] if self._lists else None
        if number is None:
            return indent + BULLET
        self._lists[-1] = number + 1
        return f"{indent}{number + 1}. "
