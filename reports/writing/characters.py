"""Which characters a report keeps. What nobody can see is no part of what is signed.

Format characters hide text from the reader or show it in another order than it is kept in
(Unicode TR36), so they go: zero-width spaces, bidirectional controls, soft hyphens, tags. Text in
right-to-left scripts stays as it is; browsers and PDF order it by its letters.

Kept are ZERO WIDTH JOINER and NON-JOINER where spelling needs them: between letters of Arabic,
Syriac, Mongolian and the scripts of India and its neighbours, and after a virama (Persian plurals,
chillu letters; Unicode 9.2, 12.1).
"""

from __future__ import annotations

import re
import unicodedata

_JOINED = (
    "\u0600-\u06ff\u0700-\u074f\u0750-\u077f\u07c0-\u07ff\u0840-\u085f\u08a0-\u0dff"
    "\u0f00-\u109f\u1780-\u17ff\u1800-\u18af\u1b00-\u1b7f\ufb50-\ufdff\ufe70-\ufefe"
    "\U00011000-\U000114ff"
)
_VIRAMAS = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca"
_JOINERS = re.compile("([\u200c\u200d])[\u200c\u200d]+")
_ORPHANED_JOINERS = re.compile(
    f"(?<![{_JOINED}])[\u200c\u200d]|(?<![{_VIRAMAS}])[\u200c\u200d](?![{_JOINED}])"
)
_UNSEEN = re.compile(
    "["
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b"
    "\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufeff\uffa0\ufff0-"
    "\ufffc\ufffe\uffff\U00013430-\U00013440\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff\U000f0000-\U0010ffff"
    "]+"
)
_SELECTOR = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
# One chooses the shape of the character before it; several can only carry something else.
_SELECTORS = re.compile(
    f"(?<![\u1800-\u18af\u2000-\u32ff\u3400-\u9fff\U0001f000-\U0003ffff])[{_SELECTOR}]+"
)
_MARK = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_MANY_MARKS = re.compile(f"([{_MARK}]{{8}})[{_MARK}]+")
_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")
_WORD_BULLETS = str.maketrans(dict.fromkeys("\uf0b7\uf0a7\uf0d8\uf02d", "•"))
_ALL_PLAIN = re.compile("[\n\t -~\u00a1-\u00ac\u00ae-\u02ff]*")


def clean(text: str) -> str:
    """The text without characters that nobody sees, newlines as LF, in NFC. A fixed point."""
    while (again := _once(text)) != text:
        text = again
    return text


def line(text: str) -> str:
    """The same on one line: every run of white space is one space, none at the ends."""
    return " ".join(clean(text).split())


def _once(text: str) -> str:
    if _ALL_PLAIN.fullmatch(text):
        return text
    text = _SPACES.sub(" ", _NEWLINES.sub("\n", text)).translate(_WORD_BULLETS)
    text = _JOINERS.sub(r"\1", _UNSEEN.sub("", text))
    text = _ORPHANED_JOINERS.sub("", text)
    text = _MANY_MARKS.sub(r"\1", _SELECTORS.sub("", text))
    return unicodedata.normalize("NFC", text)
