"""The text of sections as it leaves: the restricted markup and nothing else, each block with its
direction of writing."""

from __future__ import annotations

import unicodedata
from html import escape
from html.parser import HTMLParser

import nh3
from django.utils.safestring import SafeString, mark_safe

TAGS = {
    *("p", "br", "strong", "em", "u", "s", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
MOST_SPAN = 100
LTR, RTL = "ltr", "rtl"
_BLOCKS = {"p", "li", "td", "th"}
# Controls that turn or hide text (UAX #9), and what XML and fonts have no use for.
_UNSEEN = dict.fromkeys(
    [*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0x200B, 0x200C), 0x2060, 0xFEFF]
    + [code for code in range(0x20) if code not in (0x09, 0x0A, 0x0D)]
    + [0x7F, *range(0xFFF9, 0xFFFC), 0xFFFE, 0xFFFF]
)


def allowed(html: str) -> SafeString:
    """Markup of a section, safe whatever was put in: documents are cleaned when they are saved,
    and here once more, where they become a page."""
    writer = _Writer()
    cleaned = nh3.clean(clean_text(html), tags=TAGS, attributes=ATTRIBUTES, link_rel=None)
    writer.feed(cleaned)
    writer.close()
    return mark_safe("".join(writer.out))  # noqa: S308 -- made of escaped text and known tags


def clean_text(text: str) -> str:
    """Text without the characters that are not seen and change what is."""
    return "".join(
        letter for letter in text.translate(_UNSEEN) if not "\ud800" <= letter <= "\udfff"
    )


def direction(text: str) -> str:
    """LTR or RTL: of the first letter that has one (UAX #9, P2); LTR where none has."""
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind in ("R", "AL"):
            return RTL
        if kind == "L":
            return LTR
    return LTR


class _Writer(HTMLParser):
    """Writes clean markup again, each block with the `dir` of its first letter."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._undecided: int | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        written = "".join(
            f' {name}="{min(int(value), MOST_SPAN)}"'
            for name, value in attrs
            if value and value.isascii() and value.isdigit() and int(value) > 1
        )
        self.out.append(f"<{tag}{written}>")
        if tag in _BLOCKS:
            self._undecided = len(self.out) - 1

    def handle_endtag(self, tag: str) -> None:
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.out.append(escape(data, quote=False))
        if self._undecided is not None and any(letter.isalpha() for letter in data):
            start = self.out[self._undecided]
            self.out[self._undecided] = f'{start[:-1]} dir="{direction(data)}">'
            self._undecided = None
