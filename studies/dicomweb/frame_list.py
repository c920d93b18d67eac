"""Frame lists in addresses, such as `1,5` (PS3.18 10.4.1.1.6)."""

from __future__ import annotations

import re

from studies.dicomweb.errors import BadRequestError, NotFoundError

MAX_FRAMES_LISTED = 10_000
FRAME_LIST = re.compile(r"[1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8})*")


def frame_numbers(listed: str, count: int, none: str) -> list[int]:
    """The numbers, in their order, of an instance of `count` frames.

    BadRequestError for what is no list; NotFoundError for frames that are not there, with the
    words `none` where there are no frames at all.
    """
    if FRAME_LIST.fullmatch(listed) is None:
        raise BadRequestError("A frame list is numbers from 1 with commas: 1,2,5.")
    numbers = [int(number) for number in listed.split(",")]
    if len(numbers) > MAX_FRAMES_LISTED:
        raise BadRequestError("The frame list is too long.")
    if count == 0:
        raise NotFoundError(none)
    if max(numbers) > count:
        raise NotFoundError(f"This instance has {count} frames.")
    return numbers
