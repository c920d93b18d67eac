"""The markup of a section: read from what a browser or a word processor pastes, written one way.

Text stands in `p`; `li`, `th` and `td` hold `p` and lists; a `table` holds `thead` and `tbody`.
Marks are nested in one order. So the same content has one spelling, reading it again changes
nothing, and a browser's parser cannot make something else of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser

import nh3

from reports.writing.scanning import TooLong, scan

MARKS = {
    "strong": "strong",
    "b": "strong",
    "em": "em",
    "i": "em",
    "cite": "em",
    "u": "u",
    "ins": "u",
    "s": "s",
    "strike": "s",
    "del": "s",
}
_MARK_ORDER = ("strong", "em", "u", "s")
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_LISTS = frozenset({"ul", "ol"})
_GROUPS = {"thead": "thead", "tbody": "tbody", "tfoot": "tbody"}
_CELLS = frozenset({"th", "td"})
_BREAKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog", "dir",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup",
    "hr", "html", "legend", "main", "menu", "nav", "p", "pre", "section", "summary", "caption",
    "tr", "li",
})  # fmt: skip
_READ = frozenset({*MARKS, *_HEADINGS, *_LISTS, *_GROUPS, *_CELLS, *_BREAKS, "br", "table"})
_DROPPED = frozenset({
    "script", "style", "title", "template", "iframe", "noembed", "noframes", "noscript",
    "svg", "math", "audio", "video", "canvas", "object", "select", "xmp",
})  # fmt: skip
_MAX_LISTS = 6


@dataclass(slots=True)
class Node:
    """An element that is understood, with texts and elements in it."""

    tag: str
    spans: dict[str, int] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)


class _Builder(HTMLParser):
    """The tree of nh3's output, which is balanced."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("")
        self._open: list[Node] = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: int(value) for name, value in attrs if value})
        self._open[-1].children.append(node)
        if tag not in ("br", "hr"):
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("br", "hr") and len(self._open) > 1:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def read(html: str, *, most: int = 0) -> Node:
    """The tree of what a browser would see, of understood elements only. Any text is readable.

    Raises TooLong where it is longer than `most` without what is dropped.
    """
    scanned = scan(html, _READ, _DROPPED)
    if most and len(scanned) > most:
        raise TooLong
    safe = nh3.clean(
        scanned,
        tags=set(_READ),
        attributes={"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}},
        link_rel=None,
    )
    builder = _Builder()
    builder.feed(safe)
    builder.close()
    return builder.root


# A paragraph is a list of pieces: (text, marks), a line break is ("\n", ()).
Piece = tuple[str, tuple[str, ...]]


@dataclass(slots=True)
class Paragraph:
    pieces: list[Piece] = field(default_factory=list)


@dataclass(slots=True)
class ItemList:
    tag: str
    items: list[list[Block]] = field(default_factory=list)


@dataclass(slots=True)
class Cell:
    tag: str
    spans: dict[str, int]
    blocks: list[Block]


@dataclass(slots=True)
class Table:
    groups: list[tuple[str, list[list[Cell]]]] = field(default_factory=list)


Block = Paragraph | ItemList | Table


class _Flow:
    """Blocks in their order, made from a tree."""

    def __init__(self, lists: int = 0, *, in_table: bool = False) -> None:
        self.blocks: list[Block] = []
        self._pieces: list[Piece] = []
        self._lists = lists
        self._in_table = in_table

    def take(self, node: Node, marks: tuple[str, ...] = (), *, pre: bool = False) -> None:
        for child in node.children:
            if isinstance(child, str):
                self._text(child, marks, pre=pre)
            elif child.tag == "br":
                self._pieces.append(("\n", ()))
            elif child.tag in MARKS:
                self.take(child, (*marks, MARKS[child.tag]), pre=pre)
            else:
                self._block(child, marks, pre=pre or child.tag == "pre")

    def _block(self, child: Node, marks: tuple[str, ...], *, pre: bool) -> None:
        self.flush()
        if child.tag in _LISTS and self._lists < _MAX_LISTS:
            self._list(child, marks)
        elif child.tag == "table" and not self._in_table:
            self._table(child, marks)
        else:
            before = len(self.blocks)
            self.take(child, (*marks, "strong") if child.tag in _HEADINGS else marks, pre=pre)
            self.flush()
            if child.tag == "p" and len(self.blocks) == before:
                self.blocks.append(Paragraph())

    def flush(self) -> None:
        """End the paragraph that is being filled, if there is one."""
        pieces = _tidied(self._pieces)
        self._pieces = []
        if pieces:
            self.blocks.append(Paragraph(pieces))

    def _text(self, text: str, marks: tuple[str, ...], *, pre: bool) -> None:
        ordered = tuple(mark for mark in _MARK_ORDER if mark in marks)
        for number, part in enumerate(text.split("\n") if pre else [text]):
            if number:
                self._pieces.append(("\n", ()))
            self._pieces.append((part.replace("\n", " ").replace("\t", " "), ordered))

    def _inner(self, node: Node, marks: tuple[str, ...], *, lists: int, table: bool) -> list[Block]:
        flow = _Flow(lists, in_table=table)
        flow.take(node, marks)
        flow.flush()
        return flow.blocks or [Paragraph()]

    def _list(self, node: Node, marks: tuple[str, ...]) -> None:
        found = ItemList(node.tag)
        stray = Node("")
        for child in node.children:
            if isinstance(child, Node) and child.tag == "li":
                found.items.append(
                    self._inner(child, marks, lists=self._lists + 1, table=self._in_table)
                )
            elif isinstance(child, Node) and child.tag in _LISTS and found.items:
                # A list directly in a list: word processors mean one within the item before.
                stray.children = [child]
                found.items[-1] += self._inner(
                    stray, marks, lists=self._lists + 1, table=self._in_table
                )
            elif isinstance(child, Node) or child.strip():
                stray.children = [child]
                found.items.append(
                    self._inner(stray, marks, lists=self._lists + 1, table=self._in_table)
                )
        if found.items:
            self.blocks.append(found)

    def _table(self, node: Node, marks: tuple[str, ...]) -> None:
        table = Table()
        for group in node.children:
            if not isinstance(group, Node):
                self._text(group, marks, pre=False)
            elif group.tag in _GROUPS:
                rows = [
                    [
                        Cell(
                            cell.tag,
                            cell.spans,
                            self._inner(cell, marks, lists=self._lists, table=True),
                        )
                        for cell in row.children
                        if isinstance(cell, Node) and cell.tag in _CELLS
                    ]
                    for row in group.children
                    if isinstance(row, Node) and row.tag == "tr"
                ]
                tag = _GROUPS[group.tag]
                rows = [row for row in rows if row]
                if rows and table.groups and (tag == "tbody" or table.groups[-1][0] == "thead"):
                    _, last = table.groups[-1]
                    if table.groups[-1][0] == tag:
                        last += rows
                    else:
                        table.groups.append((tag, rows))
                elif rows:
                    table.groups.append((tag if not table.groups else "tbody", rows))
            else:
                self.take(Node("", {}, [group]), marks)
        self.flush()
        if table.groups:
            self.blocks.append(table)


def _tidied(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of the same marks as one, white space as one space, none at the ends of lines."""
    joined: list[Piece] = []
    for text, marks in pieces:
        if text == "\n":
            if joined and joined[-1][0] != "\n":
                joined[-1] = (joined[-1][0].rstrip(" "), joined[-1][1])
            while joined and not joined[-1][0]:
                joined.pop()
            joined.append(("\n", ()))
            continue
        words = " ".join(text.split(" "))
        while "  " in words:
            words = words.replace("  ", " ")
        at_start = not joined or joined[-1][0].endswith(("\n", " "))
        if at_start:
            words = words.removeprefix(" ")
        if not words:
            continue
        if joined and joined[-1][1] == marks and joined[-1][0] != "\n":
            joined[-1] = (joined[-1][0] + words, marks)
        else:
            joined.append((words, marks))
    while joined and not joined[-1][0].strip(" \n"):
        joined.pop()
    while joined and joined[0][0] == "\n":
        joined.pop(0)
    if joined:
        joined[-1] = (joined[-1][0].rstrip(" "), joined[-1][1])
    return joined


def blocks_of(html: str, *, most: int = 0) -> list[Block]:
    """The blocks of any HTML. Raises TooLong as `read` does."""
    flow = _Flow()
    flow.take(read(html, most=most))
    flow.flush()
    return flow.blocks


def written(blocks: list[Block]) -> str:
    """The one spelling of blocks as HTML."""
    return "".join(map(_html, blocks))


def _html(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f"<p>{''.join(map(_piece, block.pieces))}</p>"
    if isinstance(block, ItemList):
        items = "".join(f"<li>{written(item)}</li>" for item in block.items)
        return f"<{block.tag}>{items}</{block.tag}>"
    groups = "".join(f"<{tag}>{''.join(map(_row, rows))}</{tag}>" for tag, rows in block.groups)
    return f"<table>{groups}</table>"


def _piece(piece: Piece) -> str:
    text, marks = piece
    if text == "\n":
        return "<br>"
    opened = "".join(f"<{mark}>" for mark in marks)
    closed = "".join(f"</{mark}>" for mark in reversed(marks))
    return f"{opened}{escape(text, quote=False)}{closed}"


def _row(row: list[Cell]) -> str:
    return f"<tr>{''.join(map(_cell, row))}</tr>"


def _cell(cell: Cell) -> str:
    spans = "".join(f' {name}="{number}"' for name, number in sorted(cell.spans.items()))
    return f"<{cell.tag}{spans}>{written(cell.blocks)}</{cell.tag}>"


def lines_of(blocks: list[Block], indent: str = "") -> list[str]:
    """Blocks as lines of text: items with "- " or their numbers, the cells of a row with tabs."""
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Paragraph):
            text = "".join(text for text, _ in block.pieces)
            lines += [f"{indent}{line}".rstrip() for line in text.split("\n")]
        elif isinstance(block, ItemList):
            for number, item in enumerate(block.items, start=1):
                sign = "- " if block.tag == "ul" else f"{number}. "
                inner = lines_of(item, indent + " " * len(sign))
                first = inner[0].strip() if inner else ""
                lines += [f"{indent}{sign}{first}".rstrip(), *inner[1:]]
        else:
            for _, rows in block.groups:
                for row in rows:
                    cells = (
                        " ".join(text.strip() for text in lines_of(cell.blocks) if text)
                        for cell in row
                    )
                    lines.append(indent + "\t".join(cells).rstrip("\t"))
    return lines


def with_texts(blocks: list[Block], change: Callable[[str], str]) -> list[Block]:
    """The same blocks with every text changed, tidied again."""
    changed: list[Block] = []
    for block in blocks:
        if isinstance(block, Paragraph):
            pieces = [
                (text if text == "\n" else " ".join(change(text).split("\n")), marks)
                for text, marks in block.pieces
            ]
            changed.append(Paragraph(_tidied(pieces)))
        elif isinstance(block, ItemList):
            changed.append(ItemList(block.tag, [with_texts(item, change) for item in block.items]))
        else:
            changed.append(
                Table(
                    [
                        (tag, [[Cell(c.tag, c.spans, with_texts(c.blocks, change)) for c in row]
                               for row in rows])
                        for tag, rows in block.groups
                    ]
                )
            )  # fmt: skip
    return changed
