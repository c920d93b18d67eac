"""The first look at what was pasted, in time that grows with its length only.

A parser of HTML repairs nesting, and what it repairs may cost the square of the length (a million
open tags). So unknown tags, attributes, comments and scripts go here, and nesting has an end,
before any parser sees the text.
"""

from __future__ import annotations

import re

_TAG = re.compile(
    r"""<(/?)([A-Za-z][^\s/>]*+)((?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+)*+)>""", re.ASCII
)
_SPAN = re.compile(r"""\b(colspan|rowspan)\s*=\s*["']?(\d{1,3})\b""", re.ASCII | re.IGNORECASE)
_VOID = frozenset({"br", "hr"})
_CLOSED_BY_THE_NEXT = frozenset({"p", "li", "tr", "td", "th", "dd", "dt"})
MAX_TAGS = 12_000
_MAX_DEPTH = 50
_MAX_SPAN = 50


class TooLong(Exception):
    """More than anybody asked for."""


def scan(html: str, known: frozenset[str], dropped: frozenset[str]) -> str:
    """The text with known tags only, without attributes but colspan and rowspan of cells.

    `dropped` elements go with what is in them. Raises TooLong beyond MAX_TAGS.
    """
    out: list[str] = []
    open_tags: dict[str, int] = {}
    tags = 0
    at, last_end = 0, html.rfind(">")
    ends: dict[str, bool] = {}
    while True:
        start = html.find("<", at)
        if start < 0 or start > last_end:
            out.append(html[at:].replace("<", "&lt;"))
            return "".join(out)
        out.append(html[at:start])
        if html.startswith("<!--", start):
            at = _after(html, "-->", start + 4, ends) or start + 4
        elif html.startswith(("<!", "<?"), start):
            at = html.index(">", start) + 1
        elif (found := _TAG.match(html, start)) is None:
            out.append("&lt;")
            at = start + 1
        else:
            at = found.end()
            closing, name = found[1], found[2].lower()
            if name in dropped:
                if not closing:
                    end = _after(html, f"</{name}(?=[\\s/>])[^>]*+>", at, ends)
                    at = end or _unclosed(name, at, len(html))
            elif name in known:
                out.append(_tag(closing, name, found[3], open_tags))
                tags += 1
                if tags > MAX_TAGS:
                    raise TooLong


def _after(html: str, end: str, at: int, ends: dict[str, bool]) -> int | None:
    """Behind the next match of `end`; what is not there is sought once."""
    if ends.get(end, True):
        if found := re.compile(end, re.ASCII | re.IGNORECASE).search(html, at):
            return found.end()
        ends[end] = False
    return None


def _unclosed(name: str, at: int, length: int) -> int:
    """A script without an end goes on to the end; of the others the text stays."""
    return length if name in ("script", "style") else at


def _tag(closing: str, name: str, attributes: str, open_tags: dict[str, int]) -> str:
    if name in _VOID:
        return f"<{name}>"
    if name not in _CLOSED_BY_THE_NEXT:
        depth = open_tags.get(name, 0)
        if closing:
            if not depth:
                return ""
            open_tags[name] = depth - 1
        elif sum(open_tags.values()) >= _MAX_DEPTH:
            return ""
        else:
            open_tags[name] = depth + 1
    if closing or name not in ("td", "th"):
        return f"<{closing}{name}>"
    spans = {key.lower(): int(number) for key, number in _SPAN.findall(attributes)}
    kept = "".join(
        f' {key}="{number}"' for key, number in sorted(spans.items()) if 1 < number <= _MAX_SPAN
    )
    return f"<{name}{kept}>"
