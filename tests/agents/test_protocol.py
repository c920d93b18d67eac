"""The agent protocol: whatever comes is a message or a ProtocolError, and nothing is lost on it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import protocol
from agents.protocol import ProtocolError

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EXAMPLES: list[protocol.Message] = [
    protocol.Register(version="1.2.0", platform="Linux", capabilities=("ping", "scan-folder")),
    protocol.Registered(agent_id=3, name="Ward", site="Main", now=NOW, allowed_commands=("ping",)),
    protocol.Heartbeat(
        at=NOW,
        version="1.2.0",
        queue_length=4,
        folders=(protocol.Folder(path="/in", waiting=3, last_file_at=NOW),),
        printers=(protocol.Printer(name="Reading room", state="idle"),),
        last_errors=(protocol.Problem(at=NOW, code="disk-full", message="No room left."),),
    ),
    protocol.Command(
        id="7", idempotency_key="k", command="ping", ttl=60, expires_at=NOW, requester="ada"
    ),
    protocol.Cancel(id="7", idempotency_key="k"),
    protocol.Accepted(id="7"),
    protocol.Progress(id="7", done=1, total=2, message="reading"),
    protocol.Result(id="7", outcome="done", data={"files": [1, 2.5, None, {"a": True}]}),
    protocol.Event(id="e1", event="scan", at=NOW, data={"code": "123"}),
    protocol.News(of="orders"),
    protocol.Error(code="field", message="No.", ref="7"),
]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


def message_or_error(data: str | bytes) -> Any:
    try:
        found = protocol.decode(data)
    except ProtocolError as error:
        # What went wrong can always be said.
        protocol.encode(protocol.Error(code=error.code, message=error.message, ref=error.ref))
        return None
    assert protocol.decode(protocol.encode(found)) == found
    return found


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda each: each.TYPE)
def test_round_trip(message: protocol.Message) -> None:
    assert protocol.decode(protocol.encode(message)) == message
    assert protocol.decode(protocol.encode(message).encode()) == message


def test_every_message_has_an_example() -> None:
    assert {each.TYPE for each in EXAMPLES} == set(protocol.MESSAGES)


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_any_bytes(data: str | bytes) -> None:
    message_or_error(data)


@given(anything)
def test_any_json(value: Any) -> None:
    message_or_error(json.dumps(value))


@given(st.sampled_from(EXAMPLES), st.data())
def test_any_value_in_any_field(message: protocol.Message, data: st.DataObject) -> None:
    body = json.loads(protocol.encode(message))
    name = data.draw(st.sampled_from([*sorted(body), "unheard-of"]))
    body[name] = data.draw(values if name == "unheard-of" else anything)
    found = message_or_error(json.dumps(body))
    if name == "unheard-of":
        assert found == message


@given(st.dictionaries(texts, values, max_size=4))
def test_round_trip_of_data(data: dict[str, Any]) -> None:
    message = protocol.Result(id="1", outcome="done", data=data)
    assert protocol.decode(protocol.encode(message)) == message


@given(st.sampled_from(EXAMPLES), st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_byte(message: protocol.Message, place: int, byte: int) -> None:
    text = bytearray(protocol.encode(message).encode())
    text[place % len(text)] = byte
    message_or_error(bytes(text))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-json"),
        (b"\xff", "not-json"),
        ("[]", "not-json"),
        ('{"v": 1, "v": 1, "type": "error", "code": "x"}', "not-json"),
        (
            '{"v": 1, "type": "result", "id": "1", "outcome": "done", "data": {"a": NaN}}',
            "not-json",
        ),
        ('{"v": 1, "type": "result", "id": "1", "outcome": "done", "data": {"a": 1e999}}', "field"),
        ('{"v": 1, "type": "error", "code": "\\u0000"}', "field"),
        ('{"v": 1, "type": "error", "code": "\\ud800"}', "field"),
        ('{"v": 1, "type": "progress", "id": "1", "done": ' + "9" * 5000 + "}", "not-json"),
        ('{"v": 1, "type": "progress", "id": "1", "done": true}', "field"),
        ('{"v": 1, "type": "heartbeat", "at": "2026-11-24T12:00:00"}', "field"),
        ('{"v": 1, "type": "heartbeat", "at": "0001-01-01T00:00:00+23:59"}', "field"),
        ('{"v": 1, "type": "nonsense"}', "unknown-type"),
        ('{"v": 1, "type": ["error"]}', "unknown-type"),
        ('{"v": 2, "type": "error", "code": "x"}', "version"),
        ('{"v": true, "type": "error", "code": "x"}', "version"),
        ('{"type": "error", "code": "x"}', "version"),
        ('{"v": 1, "type": "accepted"}', "field"),
        ("x" * (protocol.MAX_BYTES + 1), "too-large"),
        ('{"v": 1, "a": ' + "[" * 100_000 + "]" * 100_000 + "}", "too-deep"),
        (
            '{"v": 1, "type": "result", "id": "1", "outcome": "done", "data": {"a": '
            + "[" * 20
            + "]" * 20
            + "}}",
            "field",
        ),
    ],
)
def test_refusals(data: str | bytes, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        protocol.decode(data)
    assert caught.value.code == code


def test_the_broken_message_is_named() -> None:
    with pytest.raises(ProtocolError) as caught:
        protocol.decode('{"v": 1, "type": "result", "id": "17", "outcome": "maybe"}')
    assert caught.value.ref == "17"
    assert caught.value.message == (
        "In result: outcome must be one of done, failed, expired, cancelled."
    )


def test_what_decode_refuses_is_not_encoded() -> None:
    for broken in (
        protocol.Result(id="", outcome="done"),
        protocol.Result(id="1", outcome="done", data={"a": float("nan")}),
        protocol.Result(id="1", outcome="done", data={"a": "\ud800"}),
        protocol.Result(id="1", outcome="done", data={"a": object()}),
        protocol.Heartbeat(at=datetime(2026, 1, 1)),  # noqa: DTZ001
    ):
        with pytest.raises(ProtocolError):
            protocol.encode(broken)
    with pytest.raises(ProtocolError) as caught:
        protocol.encode(
            protocol.Result(id="1", outcome="done", data={"a": "x" * protocol.MAX_BYTES})
        )
    assert caught.value.code == "too-large"


@pytest.mark.parametrize(
    ("command", "params", "wanted"),
    [
        ("ping", {"else": 1}, {}),
        ("scan-folder", {"path": "/in"}, {"path": "/in"}),
        ("burn-disc", {"studyIds": [3, 4]}, {"studyIds": [3, 4], "target": ""}),
        (
            "print-report",
            {"reportId": 4, "printer": "A"},
            {
                "reportId": 4,
                "testPage": False,
                "printer": "A",
                "copies": 1,
                "duplex": "one-sided",
                "tray": "",
            },
        ),
    ],
)
def test_parameters(command: str, params: Any, wanted: dict[str, Any]) -> None:
    assert protocol.check_params(command, params) == wanted


@pytest.mark.parametrize(
    ("command", "params", "code"),
    [
        ("format-disk", {}, "unknown-command"),
        ("scan-folder", {}, "params"),
        ("scan-folder", {"path": ""}, "params"),
        ("scan-folder", {"path": "a\0b"}, "params"),
        ("scan-folder", [], "params"),
        ("burn-disc", {"studyIds": []}, "params"),
        ("burn-disc", {"studyIds": ["1"]}, "params"),
        ("print-report", {"printer": "A"}, "params"),
        ("print-report", {"printer": "A", "reportId": 1, "testPage": True}, "params"),
        ("print-report", {"printer": "A", "reportId": 1, "copies": 100}, "params"),
        ("query-ris", {"name": "x", "params": {"a": float("inf")}}, "params"),
    ],
)
def test_wrong_parameters(command: str, params: Any, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        protocol.check_params(command, params)
    assert caught.value.code == code


@given(st.sampled_from(sorted(protocol.COMMANDS)), anything)
def test_any_parameters(command: str, params: Any) -> None:
    try:
        found = protocol.check_params(command, params)
    except ProtocolError:
        return
    assert protocol.check_params(command, found) == found


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        EXAMPLES[0].version = "2"  # type: ignore[misc, union-attr]


def test_no_django() -> None:
    code = (
        "import sys; sys.modules['django'] = None\n"
        "from agents import protocol\n"
        "print(any(name.split('.')[0] in {'django', 'channels'} and sys.modules[name]"
        " for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.stdout.strip() == "False"
