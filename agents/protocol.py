"""The messages between the portal and a site agent: JSON texts over one WebSocket.

Both sides use this module, and neither trusts the other: `decode` gives a message whose every field
has the promised type and bounds, or raises `ProtocolError` with a code and plain words. Unknown
fields are ignored, an unknown type is answered with `Error`; an `Error` is never answered.

Delivery. A `Command` may come again after a reconnect; the agent executes it once per
`idempotency_key` and answers a known one from its journal. `Result` and `Event` are sent again
until the portal answers `Accepted` with their id.
"""

# ruff: noqa: RUF009 -- `_of` makes dataclass fields

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

VERSION = 1
VERSIONS = (1,)
MAX_BYTES = 256 * 1024
MAX_DEPTH = 12
MAX_INTEGER = 2**63 - 1

PING = "ping"
SCAN_FOLDER = "scan-folder"
UPLOAD_DICOM = "upload-dicom"
LIST_PRINTERS = "list-printers"
PRINT_REPORT = "print-report"
QUERY_RIS = "query-ris"
SEND_ORU = "send-oru"
BURN_DISC = "burn-disc"
COLLECT_LOG = "collect-log"
UPDATE = "update"

UPLOAD_COMPLETE = "upload-complete"
SCAN = "scan"
PRINTER_STATE = "printer-state"
HL7 = "hl7"
MPPS = "mpps"
UPDATE_DONE = "update-done"
UPDATE_FAILED = "update-failed"
EVENTS = (UPLOAD_COMPLETE, SCAN, PRINTER_STATE, HL7, MPPS, UPDATE_DONE, UPDATE_FAILED)

ORDERS = "orders"

DONE = "done"
FAILED = "failed"
EXPIRED = "expired"
CANCELLED = "cancelled"
OUTCOMES = (DONE, FAILED, EXPIRED, CANCELLED)

SIDES = ("one-sided", "two-sided-long-edge", "two-sided-short-edge")


class ProtocolError(Exception):
    """A message that breaks the protocol.

    `code` is for programs: `too-large`, `not-json`, `too-deep`, `version`, `unknown-type`, `field`,
    `unknown-command`, `params`. `message` is for people and quotes nothing of the broken message.
    `ref` is the broken message's id, "" where it has none.
    """

    def __init__(self, code: str, message: str, ref: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.ref = ref


class _Wrong(Exception):
    """What is wrong with one value, in plain words."""


Check = Callable[[Any], Any]
"""Takes a JSON value, gives the value a message holds; raises _Wrong."""


def _plain_text(value: str) -> str:
    """Databases refuse NUL, and UTF-8 has no lone surrogates."""
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _Wrong("holds a character that no text may hold")
    return value


def _text(longest: int, shortest: int = 0) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise _Wrong("must be a text")
        if not shortest <= len(value) <= longest:
            raise _Wrong(f"must have {shortest} to {longest} characters")
        return _plain_text(value)

    return check


def _whole(lowest: int = 0, highest: int = MAX_INTEGER) -> Check:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _Wrong("must be a whole number")
        if not lowest <= value <= highest:
            raise _Wrong(f"must be between {lowest} and {highest}")
        return value

    return check


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("must be true or false")
    return value


def _one_of(*choices: str) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise _Wrong(f"must be one of {', '.join(choices)}")
        return value

    return check


def _moment(value: Any) -> datetime:
    """ISO 8601 with its offset from UTC; kept in UTC."""
    if isinstance(value, datetime):
        found = value
    else:
        if not isinstance(value, str) or len(value) > 40:
            raise _Wrong("must be a time as ISO 8601 writes it")
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise _Wrong("must be a time as ISO 8601 writes it") from None
    if found.tzinfo is None:
        raise _Wrong("must name its offset from UTC")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise _Wrong("must be a time of this era") from None


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _many(check: Check, most: int) -> Check:
    def many(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise _Wrong("must be a list")
        if len(value) > most:
            raise _Wrong(f"must have at most {most} entries")
        return tuple(check(each) for each in value)

    return many


def _json(value: Any, depth: int = 0) -> Any:
    """Any JSON value whose texts and numbers every database can keep."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _plain_text(value)
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise _Wrong("holds a number that is too large")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _Wrong("holds a number that is none")
        return value
    if depth >= MAX_DEPTH:
        raise _Wrong("is nested too deeply")
    if isinstance(value, list | tuple):
        return [_json(each, depth + 1) for each in value]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise _Wrong("has a key that is no text")
        return {_plain_text(key): _json(each, depth + 1) for key, each in value.items()}
    raise _Wrong("is no JSON value")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _Wrong("must be an object")
    found: dict[str, Any] = _json(value)
    return found


def _struct(kind: type) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, kind):
            value = _fields_of(value)
        if not isinstance(value, Mapping):
            raise _Wrong("must be an object")
        return _build(kind, value)

    return check


def _of(check: Check, **options: Any) -> Any:
    """A dataclass field with its check."""
    return field(metadata={"check": check}, **options)


_ID = _text(64, 1)
_CODE = _text(60)
_WORDS = _text(2000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One watched folder of the agent. `state` is "ok" or the reason in plain words."""

    path: str = _of(_text(1024, 1))
    state: str = _of(_text(200), default="ok")
    waiting: int = _of(_whole(), default=0)
    last_file_at: datetime | None = _of(_optional(_moment), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Printer:
    """A printer as the agent's print system names it; `state`: idle, printing, stopped, unknown."""

    name: str = _of(_text(200, 1))
    state: str = _of(_text(40), default="unknown")
    accepting: bool = _of(_flag, default=True)
    reason: str = _of(_text(300), default="")
    is_default: bool = _of(_flag, default=False)
    trays: tuple[str, ...] = _of(_many(_text(60, 1), 40), default=())
    duplex: bool = _of(_flag, default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a print command's document is fetched with, once; and what it must then be."""

    token: str = _of(_text(100, 1))
    sha256: str = _of(_text(64, 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """Where an agent makes discs: a burner ("drive"), or a "folder" for their images."""

    name: str = _of(_text(60, 1))
    kind: str = _of(_text(20), default="drive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """A reader of bar codes or tags; `state` is "ok" or the reason in plain words."""

    name: str = _of(_text(60, 1))
    state: str = _of(_text(200), default="ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One of the agent's last errors, in words that hold no patient data."""

    at: datetime = _of(_moment)
    code: str = _of(_CODE, default="")
    message: str = _of(_text(500), default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Agent: the first message. `protocols` are the versions of this protocol that it speaks,
    `release` the number of the signed release that runs, 0 for what was installed by hand.
    """

    TYPE: ClassVar[str] = "register"

    version: str = _of(_text(40, 1))
    protocols: tuple[int, ...] = _of(_many(_whole(1, 1000), 20), default=(VERSION,))
    platform: str = _of(_text(120), default="")
    capabilities: tuple[str, ...] = _of(_many(_text(40, 1), 50), default=())
    release: int = _of(_whole(0, 2**53), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """Portal: the answer to `Register`. `now` shows the agent how wrong its clock is."""

    TYPE: ClassVar[str] = "registered"

    agent_id: int = _of(_whole(1))
    name: str = _of(_text(120))
    site: str = _of(_text(120))
    now: datetime = _of(_moment)
    protocol: int = _of(_whole(1, 1000), default=VERSION)
    heartbeat_seconds: int = _of(_whole(1, 3600), default=20)
    max_bytes: int = _of(_whole(1024), default=MAX_BYTES)
    allowed_commands: tuple[str, ...] = _of(_many(_text(40, 1), 50), default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Agent: its state, every `heartbeat_seconds`. Portal: the answer, with `at` alone."""

    TYPE: ClassVar[str] = "heartbeat"

    at: datetime = _of(_moment)
    version: str = _of(_text(40), default="")
    queue_length: int = _of(_whole(), default=0)
    folders: tuple[Folder, ...] = _of(_many(_struct(Folder), 100), default=())
    printers: tuple[Printer, ...] = _of(_many(_struct(Printer), 200), default=())
    drives: tuple[Drive, ...] = _of(_many(_struct(Drive), 50), default=())
    scanners: tuple[Scanner, ...] = _of(_many(_struct(Scanner), 100), default=())
    last_errors: tuple[Problem, ...] = _of(_many(_struct(Problem), 20), default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Portal: do this, once per `idempotency_key`, and do not begin after the time to live.

    `ttl` is what is left in seconds when the message is sent: it holds whatever the agent's clock
    says. `command` is the command's type, `params` as `check_params` gives them. `requester` names
    the person for the agent's own log. `document` comes with print-report alone.
    """

    TYPE: ClassVar[str] = "command"

    id: str = _of(_ID)
    idempotency_key: str = _of(_text(100, 1))
    command: str = _of(_text(40, 1))
    ttl: int = _of(_whole(0, 7 * 24 * 3600))
    expires_at: datetime = _of(_moment)
    params: dict[str, Any] = _of(_object, default_factory=dict)
    requester: str = _of(_text(200), default="")
    document: Ticket | None = _of(_optional(_struct(Ticket)), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Portal: do not begin the command `id`, or stop it. The agent answers with a `Result`.

    Where it never got the command it remembers the key as cancelled, so that it is never executed.
    """

    TYPE: ClassVar[str] = "cancel"

    id: str = _of(_ID)
    idempotency_key: str = _of(_text(100, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The receiver has the message `id` safely in hand: `of` says what kind of message it was.

    Agent: a command is in its journal. Portal: a result or an event is in its database.
    """

    TYPE: ClassVar[str] = "accepted"

    id: str = _of(_ID)
    of: str = _of(_one_of("command", "result", "event"), default="command")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Agent: the command `id` runs; `done` of `total` steps, `total` 0 where it is not known."""

    TYPE: ClassVar[str] = "progress"

    id: str = _of(_ID)
    done: int = _of(_whole(), default=0)
    total: int = _of(_whole(), default=0)
    message: str = _of(_text(300), default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Agent: how the command `id` ended. Where it failed: `code`, and `message` in plain words."""

    TYPE: ClassVar[str] = "result"

    id: str = _of(_ID)
    outcome: str = _of(_one_of(*OUTCOMES))
    code: str = _of(_CODE, default="")
    message: str = _of(_WORDS, default="")
    data: dict[str, Any] = _of(_object, default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Agent: something happened at the site. `id` is the agent's own, new for each event.

    `data` by `event`: upload-complete `file`, `outcome`; scan `scanner`, `code` and `age`, the
    seconds since it was read; printer-state as `Printer`; hl7 and mpps as agents.ris reads them;
    update-done and update-failed `version`, `seq`, `reason`.
    """

    TYPE: ClassVar[str] = "event"

    id: str = _of(_ID)
    event: str = _of(_text(40, 1))
    at: datetime = _of(_moment)
    data: dict[str, Any] = _of(_object, default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Portal: there is something new to fetch, by REST: `orders`. Never answered."""

    TYPE: ClassVar[str] = "news"

    of: str = _of(_text(40, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """Either side: the message `ref` ("" where unknown) was not taken. Never answered."""

    TYPE: ClassVar[str] = "error"

    code: str = _of(_CODE)
    message: str = _of(_WORDS, default="")
    ref: str = _of(_text(64), default="")


Message = (
    Register
    | Registered
    | Heartbeat
    | Command
    | Cancel
    | Accepted
    | Progress
    | Result
    | Event
    | News
    | Error
)
MESSAGES: dict[str, type[Any]] = {
    kind.TYPE: kind
    for kind in (
        Register,
        Registered,
        Heartbeat,
        Command,
        Cancel,
        Accepted,
        Progress,
        Result,
        Event,
        News,
        Error,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Param:
    check: Check
    default: Any = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandKind:
    """A command's parameters and how long it stays valid, in seconds, where nobody says."""

    params: Mapping[str, _Param] = field(default_factory=dict)
    ttl: int = 3600


_PATH = _Param(check=_text(1024, 1), required=True)

COMMANDS: dict[str, CommandKind] = {
    PING: CommandKind(),
    SCAN_FOLDER: CommandKind(params={"path": _PATH}),
    UPLOAD_DICOM: CommandKind(params={"filePath": _PATH}),
    LIST_PRINTERS: CommandKind(),
    PRINT_REPORT: CommandKind(
        params={
            "reportId": _Param(check=_optional(_whole(1))),
            "testPage": _Param(check=_flag, default=False),
            "printer": _Param(check=_text(200, 1), required=True),
            "copies": _Param(check=_whole(1, 99), default=1),
            "duplex": _Param(check=_one_of(*SIDES), default=SIDES[0]),
            "tray": _Param(check=_text(60), default=""),
        },
        ttl=15 * 60,
    ),
    QUERY_RIS: CommandKind(
        params={
            "name": _Param(check=_text(80, 1), required=True),
            "params": _Param(check=_object, default={}),
        }
    ),
    SEND_ORU: CommandKind(
        params={
            "receiver": _Param(check=_text(60, 1), required=True),
            "controlId": _Param(check=_text(20, 1), required=True),
            "report": _Param(check=_object, required=True),
            "text": _Param(check=_text(100_000), default=""),
            "pdf": _Param(check=_text(160_000), default=""),
            "pdfPath": _Param(check=_text(300), default=""),
            "pdfSha256": _Param(check=_text(64), default=""),
        }
    ),
    BURN_DISC: CommandKind(
        params={
            "studyIds": _Param(check=_many(_whole(1), 200), required=True),
            "target": _Param(check=_text(80), default=""),
        },
        ttl=4 * 3600,
    ),
    COLLECT_LOG: CommandKind(params={"lines": _Param(check=_whole(1, 2000), default=500)}),
    UPDATE: CommandKind(params={"version": _Param(check=_text(40), default="")}),
}


def check_params(command: str, params: Any) -> dict[str, Any]:
    """The command's parameters, complete and within bounds; unknown ones are dropped.

    Raises ProtocolError `unknown-command` or `params`.
    """
    kind = COMMANDS.get(command)
    if kind is None:
        raise ProtocolError("unknown-command", "There is no such command.")
    if not isinstance(params, Mapping):
        raise ProtocolError("params", "The parameters must be an object.")
    found: dict[str, Any] = {}
    for name, param in kind.params.items():
        if name not in params:
            if param.required:
                raise ProtocolError("params", f"{name} is missing.")
            found[name] = param.default
            continue
        try:
            value = param.check(params[name])
        except _Wrong as wrong:
            raise ProtocolError("params", f"{name} {wrong}.") from None
        found[name] = list(value) if isinstance(value, tuple) else value
    if command == PRINT_REPORT and (found["reportId"] is None) == (not found["testPage"]):
        raise ProtocolError("params", "Name a reportId, or ask for a testPage.")
    if command == BURN_DISC and not found["studyIds"]:
        raise ProtocolError("params", "studyIds names no study.")
    return found


def encode(message: Message) -> str:
    """The message as one JSON text. Raises ProtocolError where `decode` would refuse it."""
    body = _fields_of(_checked(message))
    text = json.dumps(
        {"v": VERSION, "type": message.TYPE, **body},
        default=_write,
        separators=(",", ":"),
        allow_nan=False,
    )
    if len(text) > MAX_BYTES:
        raise ProtocolError("too-large", f"The message is larger than {MAX_BYTES} bytes.")
    return text


def decode(data: str | bytes) -> Message:
    """The message in one frame. Raises ProtocolError, and nothing else, for anything else."""
    body = _parse(data)
    ref = body.get("id")
    ref = ref if isinstance(ref, str) and len(ref) <= 64 and ref.isprintable() else ""
    version = body.get("v")
    if isinstance(version, bool) or version not in VERSIONS:
        raise ProtocolError("version", "This version of the protocol is not spoken here.", ref)
    name = body.get("type")
    kind = MESSAGES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ProtocolError("unknown-type", "Messages of this type are not known here.", ref)
    try:
        message: Message = _build(kind, body)
    except _Wrong as wrong:
        raise ProtocolError("field", f"In {name}: {wrong}.", ref) from None
    return message


def _parse(data: str | bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise ProtocolError("too-large", f"The message is larger than {MAX_BYTES} bytes.")
    try:
        body = json.loads(
            data if isinstance(data, str) else data.decode("utf-8"),
            object_pairs_hook=_once_each,
            parse_constant=_no_constant,
        )
    except RecursionError:
        raise ProtocolError("too-deep", "The message is nested too deeply.") from None
    except ValueError:
        raise ProtocolError("not-json", "The message is not JSON.") from None
    if not isinstance(body, dict):
        raise ProtocolError("not-json", "The message is not a JSON object.")
    return body


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers must not see two meanings."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _build(kind: type[Any], body: Mapping[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for each in dataclasses.fields(kind):
        if each.name not in body:
            if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
                raise _Wrong(f"{each.name} is missing")
            continue
        try:
            values[each.name] = each.metadata["check"](body[each.name])
        except _Wrong as wrong:
            raise _Wrong(f"{each.name} {wrong}") from None
    return kind(**values)


def _fields_of(message: Any) -> dict[str, Any]:
    return {each.name: getattr(message, each.name) for each in dataclasses.fields(message)}


def _checked(message: Message) -> Message:
    try:
        checked: Message = _build(type(message), _fields_of(message))
    except _Wrong as wrong:
        raise ProtocolError("field", f"In {message.TYPE}: {wrong}.") from None
    return checked


def _write(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return _fields_of(value)
