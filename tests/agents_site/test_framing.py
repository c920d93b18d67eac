"""Codes out of a scanner's bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.site.options import ScannerSection
from agents.site.scanners.framing import IDLE, LONGEST, Framer


def framer(**options: Any) -> Framer:
    return Framer(ScannerSection(name="a", port=Path("/dev/ttyS0"), **options))


@pytest.mark.parametrize(
    ("options", "pieces", "codes"),
    [
        ({}, [b"A1\r\n"], ["A1"]),
        ({}, [b"A1\rB2\nC3\r\n"], ["A1", "B2", "C3"]),
        ({}, [b"A", b"1", b"\r"], ["A1"]),
        ({}, [b"\r\n\r\n"], []),
        ({"ends_with": "crlf"}, [b"A\r1\r", b"\n"], []),
        ({"ends_with": "crlf"}, [b"A1\r", b"\nB2\r\n"], ["A1", "B2"]),
        ({"ends_with": "tab"}, [b"A1\tB2\t"], ["A1", "B2"]),
        ({"ends_with": "etx"}, [b"\x02A1\x03\x02B2\x03"], ["A1", "B2"]),
        ({"length": 4}, [b"0001", b"000", b"2000"], ["0001", "0002"]),
        ({"prefix": "]C1", "suffix": "#"}, [b"]C1A1#\rA2\r"], ["A1", "A2"]),
        ({}, ["Ä-7\r".encode()], ["Ä-7"]),
        ({}, [b"\xff\xfe\rA1\r"], ["A1"]),
        ({}, [b"A\x001\rA\x1b[2J\rA1\r"], ["A1"]),
        ({}, [b"X" * (LONGEST + 1) + b"\rA1\r"], ["A1"]),
        ({}, [b"X" * 100_000, b"YY\rA1\r"], ["A1"]),
    ],
)
def test_frames(options: dict[str, Any], pieces: list[bytes], codes: list[str]) -> None:
    made = framer(**options)
    found = [code for piece in pieces for code in made.feed(piece, 1.0)]
    assert found == codes


def test_the_same_code_at_once_is_one_reading() -> None:
    made = framer(debounce_seconds=1.0)
    assert made.feed(b"A1\rA1\r", 10.0) == ["A1"]
    assert made.feed(b"A1\r", 10.9) == []
    # It is still held before the reader: the pause has not begun.
    assert made.feed(b"A1\r", 11.5) == []
    assert made.feed(b"A1\r", 13.0) == ["A1"]
    assert made.feed(b"B2\rA1\r", 13.1) == ["B2", "A1"]


def test_half_a_code_is_not_joined_to_the_next() -> None:
    made = framer()
    assert made.feed(b"OLD", 1.0) == []
    assert made.feed(b"A1\r", 1.0 + IDLE + 0.1) == ["A1"]
    assert made.unreadable == 1


@given(st.lists(st.binary(max_size=200), max_size=20), st.integers(0, 64))
def test_any_bytes_give_good_codes_only(pieces: list[bytes], length: int) -> None:
    made = framer(length=length, debounce_seconds=0.0)
    for piece in pieces:
        for code in made.feed(piece, 1.0):
            assert 0 < len(code) <= LONGEST
            assert code.isprintable()
            assert code == code.strip()
