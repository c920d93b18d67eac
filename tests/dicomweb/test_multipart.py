"""The multipart parser: any cutting of a message gives the same parts; broken ones are refused."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.dicomweb.errors import BadRequestError
from studies.dicomweb.multipart import (
    MAX_BOUNDARY,
    MAX_HEADER,
    MAX_OUTSIDE,
    Mark,
    Parser,
    PartBegin,
    content_type,
)

Part = tuple[dict[str, str], bytes]


def parse(boundary: str, pieces: Iterable[bytes]) -> list[Part]:
    parser = Parser(boundary)
    parts: list[Part] = []
    headers: dict[str, str] | None = None
    held: list[bytes] = []
    ended = False
    for piece in pieces:
        for event in parser.feed(piece):
            assert not ended
            if isinstance(event, PartBegin):
                assert headers is None
                headers, held = event.headers, []
            elif event is Mark.PART_END:
                assert headers is not None
                parts.append((headers, b"".join(held)))
                headers = None
            elif event is Mark.END:
                ended = True
            else:
                assert event
                assert headers is not None
                held.append(event)
    parser.close()
    assert ended
    return parts


def cut(message: bytes, at: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(at), len(message)]
    return [message[start:end] for start, end in pairwise(places)]


boundaries = st.from_regex(r"[0-9A-Za-z'()+_,./:=?-]{1,200}", fullmatch=True)
# Bodies like to look like delimiters.
bodies = st.lists(
    st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n", b"\r", b"\n--", b"--", b"\r\n--"])),
    max_size=8,
).map(b"".join)
names = st.sampled_from(["Content-Type", "content-location", "X-One", "X-Two"])
headers = st.dictionaries(
    names, st.from_regex(r"[a-z/+;=\"][a-z /+;=\"]{0,30}[a-z]", fullmatch=True), max_size=4
)


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, bytes, list[Part]]:
    boundary = draw(boundaries)
    delimiter = b"--" + boundary.encode()
    parts = [
        (head, body)
        for head, body in draw(st.lists(st.tuples(headers, bodies), max_size=5))
        if delimiter not in body
    ]
    out = b""
    preamble = draw(st.sampled_from([b"", b"\r\n", b"A preamble.\r\n"]))
    out += preamble
    for head, body in parts:
        out += delimiter + draw(st.sampled_from([b"", b" ", b" \t"])) + b"\r\n"
        for name, value in head.items():
            out += f"{name}: {value}\r\n".encode()
        out += b"\r\n" + body + b"\r\n"
    out += delimiter + b"--" + draw(st.sampled_from([b"", b"\r\n", b"\r\nepilogue"]))
    expected = [({k.lower(): v for k, v in head.items()}, body) for head, body in parts]
    return boundary, out, expected


@settings(max_examples=300, deadline=None)
@given(messages(), st.data())
def test_any_cutting_gives_the_same_parts(
    message: tuple[str, bytes, list[Part]], data: st.DataObject
) -> None:
    boundary, text, expected = message
    at = data.draw(st.lists(st.integers(0, len(text)), max_size=30))
    assert parse(boundary, cut(text, at)) == expected
    assert parse(boundary, (text[n : n + 1] for n in range(len(text)))) == expected


def test_no_parts_at_all() -> None:
    assert parse("b", [b"--b--"]) == []


def test_part_without_a_blank_line_is_empty() -> None:
    text = b"--b\r\nX: y\r\n\r\n--b\r\n\r\n--b--\r\n"
    for size in (1, 2, 3, 7, 100):
        pieces = [text[n : n + size] for n in range(0, len(text), size)]
        assert parse("b", pieces) == [({"x": "y"}, b""), ({}, b"")]


def test_folded_header() -> None:
    text = b"--b\r\nContent-Type: application/dicom;\r\n\ttransfer-syntax=1.2\r\n\r\nx\r\n--b--"
    assert parse("b", [text])[0][0] == {"content-type": "application/dicom; transfer-syntax=1.2"}


HEADS = b"--b\r\nContent-Type: application/dicom\r\n\r\n"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no delimiter at all",
        b"--c\r\n\r\nx\r\n--c--",
        b"--b",
        b"--b\r\n",
        b"--b\r\nX: y",
        HEADS + b"a body without an end",
        HEADS + b"x\r\n--b",
        HEADS + b"x\r\n--b-",
        b"--b\nContent-Type: application/dicom\n\nx\n--b--\n",
        b"--b\r\nContent-Type: application/dicom\n\nx\r\n\r\n--b--\r\n",
        b"--bother\r\n\r\nx\r\n--bother--",
        b"--b" + b" " * 1000 + b"\r\n\r\nx\r\n--b--",
        b"--b\r\nno colon\r\n\r\nx\r\n--b--",
        b"--b\r\n: no name\r\n\r\nx\r\n--b--",
        b"--b\r\nX: 1\r\nx: 2\r\n\r\nx\r\n--b--",
        b"--b\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(40)) + b"\r\nx\r\n--b--",
        b"--b\r\nX: " + b"x" * 2**20 + b"\r\n\r\nx\r\n--b--",
        b"--b\r\nX: " + b"x" * 2**20,
        b"x" * (MAX_OUTSIDE + 100) + b"\r\n--b\r\n\r\nx\r\n--b--",
        b"--b\r\n\r\nx\r\n--b--" + b"x" * (MAX_OUTSIDE + 100),
    ],
)
@pytest.mark.parametrize("size", [1, 1000, 10**9])
def test_broken_bodies_are_refused(text: bytes, size: int) -> None:
    with pytest.raises(BadRequestError):
        parse("b", [text[n : n + size] for n in range(0, len(text), size)])


def test_parts_before_the_fault_come_out() -> None:
    parser = Parser("b")
    events = parser.feed(HEADS + b"whole\r\n--b\r\nfaulty\r\n\r\n")
    seen = [next(events) for _ in range(3)]
    assert seen[1:] == [b"whole", Mark.PART_END]
    with pytest.raises(BadRequestError):
        next(events)


@pytest.mark.parametrize("boundary", ["", " ", "b ", "b\r\n", "ü", "b\0", "b" * (MAX_BOUNDARY + 1)])
def test_boundaries_that_are_none(boundary: str) -> None:
    with pytest.raises(BadRequestError):
        Parser(boundary)


def test_memory_is_flat() -> None:
    parser = Parser("b")
    list(parser.feed(HEADS))
    piece = bytes(65536)
    for _ in range(500):
        assert sum(len(event) for event in parser.feed(piece) if isinstance(event, bytes)) >= 65000
        assert len(parser._buffer) <= 16
    assert MAX_HEADER < 65536


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", {})),
        ("Application/DICOM", ("application/dicom", {})),
        (
            'multipart/related; type="application/dicom"; boundary=a-b',
            ("multipart/related", {"type": "application/dicom", "boundary": "a-b"}),
        ),
        (r'a/b;Boundary="a\"; x=y"', ("a/b", {"boundary": 'a"; x=y'})),
        ("a/b;;x=1 ;y=", ("a/b", {"x": "1", "y": ""})),
    ],
)
def test_content_type(text: str, expected: tuple[str, dict[str, str]]) -> None:
    assert content_type(text) == expected


@pytest.mark.parametrize("text", ["a/b; x", "a/b; =y", 'a/b; x="y', "a/b; x=1; X=2", 'a/b; "x"=1'])
def test_content_types_that_cannot_be_read(text: str) -> None:
    with pytest.raises(BadRequestError):
        content_type(text)
