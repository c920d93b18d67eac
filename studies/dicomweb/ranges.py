"""Byte ranges (RFC 9110 14): one range is served, several or nonsense are ignored."""

from __future__ import annotations

import re
from dataclasses import dataclass

from studies.dicomweb.errors import RangeError

ONE_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes from `start`, `length` of them, of `total`."""

    start: int
    length: int
    total: int

    @property
    def content_range(self) -> bytes:
        return b"bytes %d-%d/%d" % (self.start, self.start + self.length - 1, self.total)


def asked_for(headers: dict[str, str], etag: str, total: int) -> Stretch | None:
    """The part that Range asks for, None for all of it. Raises RangeError.

    If-Range must name the very entity (strong comparison, RFC 9110 13.1.5).
    """
    text = headers.get("range")
    if not text:
        return None
    condition = headers.get("if-range", "").strip()
    if condition and (condition != etag or etag.startswith("W/")):
        return None
    found = ONE_RANGE.fullmatch(text)
    if found is None:
        return None
    first, last = found.groups()
    if not first:
        if not last:
            return None
        suffix = min(int(last), total)
        if suffix == 0:
            raise RangeError(total)
        return Stretch(total - suffix, suffix, total)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= total:
        raise RangeError(total)
    end = min(int(last), total - 1) if last else total - 1
    return Stretch(start, end - start + 1, total)
