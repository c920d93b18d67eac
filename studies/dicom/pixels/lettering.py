"""Letters on pictures, in fonts that have them: a box in place of a letter is never drawn."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from unicodedata import category

from PIL import ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from studies.dicom.pixels.decode import CannotDecode

FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
PREFERRED = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc")
OTHERS = "NotoSans*-Regular.*"
Colour = tuple[int, int, int] | int


@lru_cache(maxsize=1)
def _files() -> tuple[Path, ...]:
    """Font files of this machine, the usual ones first."""
    found = [path for folder in FOLDERS if folder.is_dir() for path in folder.rglob("*.tt[fc]")]
    by_name = {path.name: path for path in found}
    first = [by_name[name] for name in PREFERRED if name in by_name]
    others = sorted(p for p in by_name.values() if p.match(OTHERS) and p not in first)
    return (*first, *others)


@lru_cache(maxsize=64)
def _font(number: int, size: int) -> FreeTypeFont | None:
    """The machine's font of that number, Pillow's own after the last; None beyond."""
    files = _files()
    if number < len(files):
        return ImageFont.truetype(str(files[number]), size)
    if number == len(files):
        found = ImageFont.load_default(size)
        return found if isinstance(found, FreeTypeFont) else None
    return None


@lru_cache(maxsize=4096)
def _number(letter: str) -> int | None:
    """The first font that has the letter; None where no font has it."""
    for number in range(len(_files()) + 1):
        font = _font(number, 32)
        if font is None:
            continue
        if letter.isspace():
            return number
        mask, missing = font.getmask(letter), font.getmask("\U000f7fff")
        if mask.size[0] and (mask.size, bytes(mask)) != (missing.size, bytes(missing)):
            return number
    return None


def can_draw(text: str) -> bool:
    """Whether every letter is in some font."""
    return all(_is_unseen(letter) or _number(letter) is not None for letter in text)


def _is_unseen(letter: str) -> bool:
    """Controls, and the selectors of a letter's variant, which a font may go without."""
    variant = "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"
    return variant or category(letter) in {"Cc", "Cf"}


def _runs(text: str) -> list[tuple[int, str]]:
    """Pieces of a line that one font can draw whole, so that letters may join within them."""
    runs: list[tuple[int, str]] = []
    for letter in text:
        if _is_unseen(letter):
            continue
        number = _number(letter)
        if number is None:
            raise CannotDecode(
                "the text to be drawn has letters that no font of this server has: "
                f"U+{ord(letter):04X}"
            )
        if runs and (runs[-1][0] == number or letter.isspace()):
            runs[-1] = (runs[-1][0], runs[-1][1] + letter)
        else:
            runs.append((number, letter))
    return runs


def width(text: str, size: int) -> float:
    """How wide a line gets, in pixels."""
    return sum(_sized(number, size).getlength(piece) for number, piece in _runs(text))


def _sized(number: int, size: int) -> FreeTypeFont:
    font = _font(number, size)
    if font is None:
        raise CannotDecode("there is no font to draw with")
    return font


def draw_line(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    fill: Colour,
    edge: Colour,
) -> None:
    """A line of text with its top left at `place`, on an `edge` that sets it off from the image.
    CannotDecode where a letter has no font."""
    x, y = place
    for number, piece in _runs(text):
        font = _sized(number, size)
        draw.text(
            (x, y + size),
            piece,
            fill=fill,
            font=font,
            anchor="ls",
            stroke_width=1,
            stroke_fill=edge,
        )
        x += font.getlength(piece)
