"""What is asked about the pattern, in plain words."""

from __future__ import annotations

from typing import Final

QUESTIONS: Final[dict[str, str]] = {
    "patches": "All 18 squares are different greys, from black to white, and each but the first and"
    " the last shows a darker and a brighter small square in its corners.",
    "dark": "In the black square the small square (5 %) can be seen.",
    "bright": "In the white square the small square (95 %) can be seen.",
    "lines": "In the middle and in all four corners the finest lines can be told apart, across and"
    " down.",
    "ramp": "The ramp goes from black to white evenly, without bands or colours.",
    "geometry": "The lines of the grid are straight, its squares are square, and the frame is at"
    " the edge on all four sides.",
    "clean": "No dead or bright points, no reflections, no dirt.",
}
LETTERS: Final[dict[str, str]] = {
    "letters_dark": "on black",
    "letters_middle": "on grey",
    "letters_bright": "on white",
}
MOST_LETTERS: Final = 14
