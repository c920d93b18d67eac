"""One HL7 version 2 message: segments, fields, escapes and character sets (chapter 2).

Whatever the bytes are, reading gives a `Message` or `Unacceptable`, and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

MOST_SEGMENTS = 5000
NULL = '""'
"""A field that is to be emptied; one that is not there stays as it is."""

# Table 0211; what is not here cannot be read without guessing.
CHARSETS = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "ISO IR6": "ascii",
    "ISO IR14": "iso2022_jp",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_2",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
}


class Unacceptable(Exception):
    """Why a message is not taken, in words without patient data.

    `code` is MSA-1 (table 0008): AR what this application does not take, AE what is wrong in it.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    sub: str = "&"

    @property
    def names(self) -> dict[str, str]:
        """Escape sequence -> the delimiter it stands for."""
        return {
            "F": self.field,
            "S": self.component,
            "R": self.repetition,
            "E": self.escape,
            "T": self.sub,
        }


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; `fields[0]` is field 1 (of MSH: the delimiters count as fields 1 and 2)."""

    name: str
    fields: tuple[str, ...]
    marks: Delimiters
    encoding: str

    def raw(self, field: int) -> str:
        """A field as it was sent; "" where there is none."""
        return self.fields[field - 1] if 0 < field <= len(self.fields) else ""

    def repetitions(self, field: int) -> int:
        text = self.raw(field)
        return text.count(self.marks.repetition) + 1 if text else 0

    def get(self, field: int, component: int = 1, *, repetition: int = 0, sub: int = 1) -> str:
        """One value, unescaped and stripped; "" where it is empty, absent or null."""
        text = self.value(field, component, repetition=repetition, sub=sub)
        return text or ""

    def value(
        self, field: int, component: int = 1, *, repetition: int = 0, sub: int = 1
    ) -> str | None:
        """The same, None where nothing was sent: `""` empties, nothing leaves as it is."""
        text = self.raw(field)
        if text.strip() == NULL:
            return ""
        for mark, number in (
            (self.marks.repetition, repetition),
            (self.marks.component, component - 1),
            (self.marks.sub, sub - 1),
        ):
            parts = text.split(mark)
            text = parts[number] if number < len(parts) else ""
        if text.strip() == NULL:
            return ""
        return unescape(text, self.marks, self.encoding).strip() or None


@dataclass(frozen=True, slots=True)
class Message:
    """A message; the first segment is MSH."""

    segments: tuple[Segment, ...]
    encoding: str

    @property
    def header(self) -> Segment:
        return self.segments[0]

    def first(self, name: str) -> Segment | None:
        return next((each for each in self.segments if each.name == name), None)

    def groups(self, name: str) -> Iterator[list[Segment]]:
        """Runs of segments that begin with a segment of this name."""
        group: list[Segment] = []
        for segment in self.segments:
            if segment.name == name:
                if group:
                    yield group
                group = [segment]
            elif group:
                group.append(segment)
        if group:
            yield group


def read(data: bytes, default_charset: str = "UNICODE UTF-8") -> Message:
    """Parse a message without its frame. Raises Unacceptable."""
    marks = _delimiters(data)
    encoding = _encoding(data, marks, default_charset)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise Unacceptable("AE", "the text is not in the character set of MSH-18") from None
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    if len(lines) > MOST_SEGMENTS:
        raise Unacceptable("AE", f"there are more than {MOST_SEGMENTS} segments")
    segments = []
    for number, line in enumerate(lines, 1):
        name, *fields = line.split(marks.field)
        if re.fullmatch(r"[A-Z][A-Z0-9]{2}", name) is None:
            raise Unacceptable("AE", f"segment {number} has no name")
        if name == "MSH":
            if number > 1:
                raise Unacceptable("AE", "there is more than one MSH segment")
            fields = [marks.field, *fields]
        segments.append(Segment(name, tuple(fields), marks, encoding))
    return Message(tuple(segments), encoding)


def _delimiters(data: bytes) -> Delimiters:
    if data[:3] != b"MSH" or len(data) < 8:
        raise Unacceptable("AR", "the message does not begin with MSH")
    field = chr(data[3])
    others = data[4:20].decode("latin-1").split(field)[0]
    marks = field + others
    if not 3 <= len(others) <= 5 or len(set(marks)) != len(marks):
        raise Unacceptable("AR", "MSH-2 does not name the delimiters")
    if any(not (mark.isascii() and mark.isprintable()) or mark.isalnum() for mark in marks):
        raise Unacceptable("AR", "MSH-1 or MSH-2 holds a letter or digit")
    if " " in marks:
        raise Unacceptable("AR", "MSH-1 or MSH-2 holds a space")
    component, repetition, escape, *rest = list(others)
    # A text that no message holds stands for "there are no subcomponents".
    return Delimiters(field, component, repetition, escape, rest[0] if rest else "\0")


def _encoding(data: bytes, marks: Delimiters, default: str) -> str:
    head = re.split(rb"[\r\n]", data, maxsplit=1)[0].split(marks.field.encode())
    given = head[17].decode("latin-1") if len(head) > 17 else ""
    names = [each.strip().upper() for each in given.split(marks.repetition) if each.strip()]
    found = {CHARSETS.get(name, "") for name in names or [default]}
    if "" in found:
        raise Unacceptable("AR", "the character set of MSH-18 is not known here")
    if len(found) > 1:
        # Code extensions: Japanese beside ASCII, in one encoding of Python's.
        found.discard("ascii")
        found = {"iso2022_jp_2"} if found <= {"iso2022_jp", "iso2022_jp_2"} else found
    if len(found) > 1:
        raise Unacceptable("AR", "MSH-18 mixes character sets that do not go together")
    return found.pop()


OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_LINES = (".br", ".sp", ".ce")


def unescape(text: str, marks: Delimiters, encoding: str = "utf-8") -> str:
    """Text with its escape sequences resolved (2.7); control characters become spaces."""
    if marks.escape in text:
        mark = re.escape(marks.escape)
        text = re.sub(
            f"{mark}([^{mark}]*){mark}", lambda found: _meaning(found[1], marks, encoding), text
        )
    return plain(text)


def plain(text: str) -> str:
    """Text without control characters, lines excepted, and without overrides of direction."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if letter == "\n" or not _unwanted(letter) else " " for letter in text)


def _unwanted(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} or letter in OVERRIDES


def _meaning(sequence: str, marks: Delimiters, encoding: str) -> str:
    if sequence in marks.names:
        return marks.names[sequence]
    if sequence[:3] in _LINES:
        return "\n"
    if sequence[:1] == "X":
        try:
            return bytes.fromhex(sequence[1:]).decode(encoding, "replace")
        except ValueError:
            return ""
    # Highlighting, indents, single shifts of sets that are not known, and the sender's own.
    return " " if sequence[:1] == "." else ""


def escape(text: str, marks: Delimiters | None = None) -> str:
    """Text as a field may hold it; lines by the formatting command."""
    marks = marks or Delimiters()
    meanings = {mark: f"{marks.escape}{name}{marks.escape}" for name, mark in marks.names.items()}
    meanings["\n"] = f"{marks.escape}.br{marks.escape}"
    lines = plain(text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(meanings.get(letter, letter) for letter in lines)


def encoded(text: str, charset: str) -> bytes:
    """Text in a character set of table 0211; what it does not have becomes "?"."""
    return text.encode(CHARSETS[charset], "replace")
