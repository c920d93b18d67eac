"""IPP as it goes over the wire, and answers that are none."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyipp.enums import IppTag
from pyipp.parser import parse

from agents.site import options
from agents.site.printing import ipp, printers

OK = struct.pack(">bbhi", 2, 0, 0, 1) + b"\x01"


def attribute(name: str, tag: IppTag, value: Any) -> bytes:
    return ipp.encoded((name, tag, value))


def reply(*attributes: bytes) -> bytes:
    charset = attribute("attributes-charset", IppTag.CHARSET, "utf-8")
    return OK + charset + b"\x04" + b"".join(attributes) + b"\x03"


def test_a_collection_is_read_as_it_is_written() -> None:
    """PWG 5100.7 6.3: the tray."""
    tray = {"media-source": (IppTag.KEYWORD, "tray-1")}
    found = parse(reply(attribute("media-col", IppTag.BEGIN_COLLECTION, tray)))
    assert found["printers"] == [{"media-col": {"media-source": "tray-1"}}]


# A name or value length of less than nothing sends pyipp round in a circle.
CIRCLE = b"\x44\x00\x01a\xff\xf0" + b"x" * 20


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        OK,
        OK + CIRCLE,
        reply(CIRCLE),
        reply(b"\x21\x00\x01a\x00\x08" + b"\xff" * 8),
        reply(b"\x35\x00\x01a\x00\x06\x00\x01e\xff\xff\x00"),
        reply(attribute("a", IppTag.BEGIN_COLLECTION, {}))[:-8],
    ],
)
def test_what_is_no_answer(content: bytes) -> None:
    with pytest.raises(ipp.UnreachableError, match="something else than CUPS"):
        ipp._decoded(content)


@settings(max_examples=300, deadline=1000)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_end(tail: bytes, at: int) -> None:
    """Neither a hang nor another error, whatever comes."""
    whole = reply(attribute("printer-name", IppTag.NAME, "Ward"))
    for content in (OK + tail, whole[:at] + tail + whole[at:]):
        with suppress(ipp.IppError):
            ipp._decoded(content)


def test_a_group_without_attributes() -> None:
    """RFC 8010 3.1.1 permits it."""
    content = reply()[:-1] + b"\x02" + attribute("job-id", IppTag.INTEGER, 7) + b"\x02\x03"
    assert ipp._decoded(content)["jobs"] == [{"job-id": 7}]


def test_a_refusal_in_words() -> None:
    refused = struct.pack(">bbhi", 2, 0, 0x0506, 1) + reply()[8:]
    with pytest.raises(ipp.RefusedError, match="takes no jobs") as caught:
        ipp._decoded(refused)
    assert caught.value.status == 0x0506


@pytest.mark.parametrize(
    ("state", "reasons", "message", "words"),
    [
        (3, "none", "", ""),
        (4, ["media-empty-error", "toner-low-warning"], "", "out of paper, toner is low"),
        (5, "paused", "", "paused"),
        (5, "media-jam-error", "", "paused, paper jam"),
        (4, "connecting-to-device-report", "", "cannot be reached"),
        (4, "none", "The printer is not responding.", "does not answer"),
        (3, "none", "The printer is not responding.", ""),
        (4, "cups-waiting-for-job-completed", "", ""),
        (3, "vendor-lamp-warming", "", "vendor lamp warming"),
    ],
)
def test_troubles_in_words(state: int, reasons: Any, message: str, words: str) -> None:
    group = {
        "printer-name": "Ward",
        "printer-state": state,
        "printer-state-reasons": reasons,
        "printer-state-message": message,
    }
    assert printers._found(group).words == words


@pytest.mark.parametrize("server", ["/run/cups/cups.sock", "127.0.0.1:631", "print.example:631"])
def test_servers(server: str) -> None:
    assert options.cups_server(server) == server


@pytest.mark.parametrize(
    "server", ["", "cups", "http://cups:631", "u:p@cups:631", "/run/../x", "cups:0", "cups:99999"]
)
def test_what_is_no_server(server: str) -> None:
    with pytest.raises(ValueError, match="must"):
        options.cups_server(server)
