"""Every option of agent.toml: its type, default, check and the words that docs/agent.md prints."""

# ruff: noqa: RUF009 -- `option` is how a field of a section is written

from __future__ import annotations

import base64
import binascii
import dataclasses
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agents import release
from agents.site.secret import Secret

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
COMMANDS = (
    *("ping", "scan-folder", "upload-dicom", "collect-log"),
    *("list-printers", "print-report", "burn-disc", "query-ris", "send-oru"),
)
UPDATE = "update"
"""Known, and allowed only where agent.toml says so: it replaces the program."""

Check = Callable[[Any], Any]
"""Takes what TOML gave and returns the value to keep; raises ValueError with plain words."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time of day, local to the agent; `end` before `start` passes midnight."""

    start: time
    end: time

    def __contains__(self, moment: time) -> bool:
        if self.start <= self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end


def option(words: str, kind: str, check: Check, default: Any = dataclasses.MISSING) -> Any:
    """A field of a section. Without a default it must be given."""
    metadata = {"words": words, "kind": kind, "check": check}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def secret(words: str, *, required: bool) -> Any:
    """A field that is given as `<name>_file` or `<name>_env`, never in the file itself."""
    metadata = {"words": words, "kind": "secret", "check": None, "required": required}
    return dataclasses.field(default=Secret(), metadata=metadata)


def text(value: Any) -> str:
    """One line, not empty."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("must be a text of one line, in quotes")
    return value


def name(value: Any) -> str:
    if (
        not isinstance(value, str)
        or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}", value) is None
    ):
        raise ValueError("must be a short name of letters, digits, '-', '_' and '.', in quotes")
    return value


def yes_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false, without quotes")
    return value


def number(low: float, high: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("must be a number, without quotes")
        if not low <= value <= high:
            raise ValueError(f"must be between {low:g} and {high:g}")
        return float(value)

    return check


def whole(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("must be a whole number, without quotes")
        if not low <= value <= high:
            raise ValueError(f"must be between {low} and {high}")
        return value

    return check


def choice(*allowed: str) -> Check:
    def check(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(repr(each) for each in allowed)}")
        return str(value)

    return check


def texts(of: Check) -> Check:
    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError('must be a list: ["...", "..."]')
        return tuple(of(each) for each in value)

    return check


def absolute(value: Any) -> Path:
    path = Path(text(value))
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError("must be a full path that begins with '/' and holds no '..'")
    return path


def pattern(value: Any) -> str:
    if "/" in text(value):
        raise ValueError("patterns match the name of a file and hold no '/'")
    return str(value)


def address(*schemes: str) -> Check:
    def check(value: Any) -> str:
        parts = urlsplit(text(value))
        try:
            known = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            known = False
        if not known:
            raise ValueError(f"must be an address such as {schemes[0]}://host:port")
        if parts.username or parts.password:
            raise ValueError("must not hold a user or password: they have options of their own")
        if parts.query or parts.fragment:
            raise ValueError("must end after the path")
        return str(value).rstrip("/")

    return check


def pin(value: Any) -> str:
    """Base64 of the SHA-256 of a SubjectPublicKeyInfo (RFC 7469 2.4)."""
    try:
        right = len(base64.b64decode(text(value), validate=True)) == 32
    except (binascii.Error, ValueError):
        right = False
    if not right:
        raise ValueError("must be the Base64 of a SHA-256 (44 characters ending in '=')")
    return str(value)


def window(value: Any) -> Window:
    found = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", value) if isinstance(value, str) else None
    try:
        if found is None:
            raise ValueError
        a, b, c, d = map(int, found.groups())
        return Window(time(a, b), time(c, d))
    except ValueError:
        raise ValueError('must be two times of day: "20:00-06:00"') from None


def cups_server(value: Any) -> str:
    """host:port, or the full path of a socket."""
    if text(value).startswith("/"):
        return str(absolute(value))
    try:
        parts = urlsplit(f"//{value}")
        known = parts.hostname and parts.port and parts.netloc == value and "@" not in value
    except ValueError:
        known = False
    if not known:
        raise ValueError('must be "host:port" or the full path of a socket')
    return str(value)


def reference(value: Any) -> str:
    """The name of another section."""
    return name(value)


def database_url(value: Any) -> str:
    found = text(value)
    if re.fullmatch(r"sqlite:////[^?#]+", found):
        return found
    try:
        checked: str = address("postgresql")(found)
    except ValueError as error:
        raise ValueError(f"{error}, or sqlite:////full/path.db") from None
    return checked


def network(value: Any) -> str:
    """An address, or a network such as 10.1.0.0/16."""
    try:
        return str(ipaddress.ip_network(text(value), strict=False))
    except ValueError:
        raise ValueError('must be addresses or networks: ["10.1.2.3", "10.2.0.0/16"]') from None


def ae_title(value: Any) -> str:
    """A value of VR AE (PS3.5 6.2)."""
    if re.fullmatch(r"[ -\[\]-~]{1,16}", text(value)) is None or value != value.strip():
        raise ValueError("must be an AE title: 1 to 16 plain characters without a backslash")
    return str(value)


def dicom_peer(value: Any) -> tuple[str, str]:
    """An AE title and where it calls from."""
    title, found, place = text(value).rpartition("@")
    if not found:
        raise ValueError('must be AE titles with their addresses: ["CT1@10.1.2.3"]')
    return ae_title(title), network(place)


def parameters(value: Any) -> dict[str, dict[str, Any]]:
    """The parameters of a query: by name, `type` and bounds."""
    if not isinstance(value, dict):
        raise ValueError('must be a section: {acc = {type = "text", max = 16}}')
    found = {}
    for key, given in value.items():
        if re.fullmatch(r"[a-z_][a-z0-9_]{0,39}", key) is None or not isinstance(given, dict):
            raise ValueError('must name parameters: {acc = {type = "text", max = 16}}')
        if given.get("type") not in ("text", "integer", "number", "date", "yes/no"):
            raise ValueError(f"{key} needs type: text, integer, number, date or yes/no")
        if given.keys() - {"type", "min", "max", "pattern"}:
            raise ValueError(f"{key} knows type, min, max and pattern only")
        for bound in ("min", "max"):
            if isinstance(given.get(bound, 0), bool) or not isinstance(given.get(bound, 0), int):
                raise ValueError(f"{key}: {bound} must be a whole number")
        if given["type"] == "text" and not 1 <= given.get("max", 64) <= 1000:
            raise ValueError(f"{key}: max must be between 1 and 1000 characters")
        try:
            re.compile(given.get("pattern", ""))
        except (re.error, TypeError):
            raise ValueError(f"{key}: pattern is no regular expression") from None
        found[key] = dict(given)
    return found


def several_lines(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("must be a text, in quotes")
    return value


def release_key(value: Any) -> str:
    """Base64 of an Ed25519 public key."""
    release.public_key(text(value))
    return str(value)


def command(value: Any) -> str:
    if value not in (*COMMANDS, UPDATE):
        raise ValueError(f"knows only these commands: {', '.join((*COMMANDS, UPDATE))}")
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSection:
    """`[agent]`"""

    state_dir: Path = option(
        "Folder of the agent's ledger, journal and audit log. Only the agent may write there.",
        "path",
        absolute,
    )
    log_file: Path | None = option(
        "Log file, rotated at 10 MB with 5 kept. Without it the log goes to standard error.",
        "path",
        absolute,
        None,
    )
    log_level: str = option(
        "`debug`, `info`, `warning` or `error`.",
        "text",
        choice("debug", "info", "warning", "error"),
        "info",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalSection:
    """`[portal]`"""

    url: str = option(
        "The portal's address, `https://` and no path.", "text", address("https", "http")
    )
    api_key: Secret = secret("The agent's key, from the portal's enrolment.", required=True)
    upload_token: Secret = secret(
        "Token with scope `write` for uploads. Without it uploads carry the agent's key.",
        required=False,
    )
    site: str = option(
        "Short name of the site; needed only where the token may write to several.",
        "text",
        name,
        "",
    )
    ca_file: Path | None = option(
        "Certificates to trust instead of the system's, in PEM.", "path", absolute, None
    )
    pins: tuple[str, ...] = option(
        "Base64 SHA-256 of the public keys that the portal may show: the present and the next. "
        "Empty: any certificate that the system trusts.",
        "list",
        texts(pin),
        (),
    )
    proxy: str = option("HTTP proxy to pass through.", "text", address("http"), "")
    proxy_user: str = option("User at the proxy.", "text", text, "")
    proxy_password: Secret = secret("Password at the proxy.", required=False)
    ping_seconds: float = option(
        "A connection on which nothing answers for twice this long is given up.",
        "number",
        number(1, 300),
        20.0,
    )
    reconnect_max_seconds: float = option(
        "The longest pause between two attempts to connect.", "number", number(1, 3600), 120.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandsSection:
    """`[commands]`"""

    allow: tuple[str, ...] = option(
        "What the portal may ask for. Anything else is refused here and written to the audit log.",
        "list",
        texts(command),
        COMMANDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSection:
    """`[upload]`"""

    in_flight: int = option("Uploads at the same time.", "integer", whole(1, 32), 4)
    rate_kb: int = option(
        "Most KB a second over all uploads; 0: no limit.", "integer", whole(0, 10_000_000), 0
    )
    night: Window | None = option(
        'Night at the agent, such as `"20:00-06:00"`.', "text", window, None
    )
    night_rate_kb: int = option(
        "The limit at night instead of `rate_kb`; 0: no limit.", "integer", whole(0, 10_000_000), 0
    )
    max_file_mb: int = option(
        "Larger files are not sent and count as failed.", "integer", whole(1, 1_000_000), 4096
    )
    timeout_seconds: float = option(
        "An upload on which nothing moves for so long is broken off and tried again.",
        "number",
        number(1, 3600),
        120.0,
    )
    retry_max_seconds: float = option(
        "The longest pause before a failed upload is tried again.",
        "number",
        number(1, 86_400),
        300.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSection:
    """`[[folders]]`, any number"""

    name: str = option("What the portal calls this folder; unique.", "text", name)
    path: Path = option("The folder. Nothing outside it is ever read.", "path", absolute)
    patterns: tuple[str, ...] = option("Names to look at.", "list", texts(pattern), ("*",))
    ignore: tuple[str, ...] = option(
        "Names to leave alone, and of folders not to enter.",
        "list",
        texts(pattern),
        (".*", "*.tmp", "*.part", "*.partial", "~*"),
    )
    recursive: bool = option("Folders inside, too.", "yes/no", yes_no, True)
    settle_seconds: float = option(
        "A file is complete when it has not changed for so long.", "number", number(0.1, 3600), 5.0
    )
    scan_seconds: float = option(
        "The whole folder is looked through at least so often.", "number", number(0.2, 86_400), 60.0
    )
    poll: bool = option(
        "For SMB and NFS, where the system reports no changes: look every `settle_seconds`.",
        "yes/no",
        yes_no,
        False,
    )
    after: str = option(
        "`leave` or `move` a file that the portal has. `delete` is refused: the portal does not "
        "yet confirm backups to agents.",
        "text",
        choice("leave", "move", "delete"),
        "leave",
    )
    done_dir: Path | None = option(
        "Where `move` puts them, outside `path`.", "path", absolute, None
    )
    failed_dir: Path | None = option(
        "Where files go that the portal refused or quarantined, each with a `.reason.txt`. "
        "Without it they stay where they are.",
        "path",
        absolute,
        None,
    )
    other_files: str = option(
        "`ignore` what is not DICOM, or move it as `failed` to `failed_dir`.",
        "text",
        choice("ignore", "failed"),
        "ignore",
    )
    only_at_night: bool = option(
        "Send from this folder at `upload.night` only.", "yes/no", yes_no, False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySection:
    """`[[relay]]`, any number"""

    name: str = option("What the portal calls this Orthanc; unique.", "text", name)
    url: str = option(
        "REST address of a local Orthanc. `http://` only on this machine or a trusted network.",
        "text",
        address("http", "https"),
    )
    user: str = option("User at Orthanc.", "text", text, "")
    password: Secret = secret("Password at Orthanc.", required=False)
    poll_seconds: float = option(
        "How often Orthanc is asked for news.", "number", number(0.2, 3600), 2.0
    )
    only_new: bool = option(
        "Leave what Orthanc held before the agent first asked.", "yes/no", yes_no, False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintingSection:
    """`[printing]`"""

    server: str = option(
        "CUPS: the path of its socket, usually `/run/cups/cups.sock`, or `host:port` of one on a "
        "trusted network. Without it the agent has no printers.",
        "text",
        cups_server,
        "",
    )
    printers: tuple[str, ...] = option(
        "The printers that may be used, by their names in CUPS. Empty: all of them.",
        "list",
        texts(text),
        (),
    )
    user: str = option("Whose jobs CUPS is told they are.", "text", name, "lightbox-agent")
    wait_seconds: float = option(
        "A job that the printer has not begun after so long is taken back.",
        "number",
        number(1, 900),
        300.0,
    )
    print_seconds: float = option(
        "A job that has not ended so long after it began is taken back.",
        "number",
        number(1, 7200),
        600.0,
    )
    poll_seconds: float = option(
        "How often the printers' states are looked at.", "number", number(0.2, 3600), 15.0
    )


def device(value: Any) -> str:
    """A drive, or with `stdio:` a file that stands for one."""
    path = text(value).removeprefix("stdio:")
    if ".." in Path(path).parts or not (path.startswith("/dev/") or path != value):
        raise ValueError("must be a device such as /dev/sr0")
    if not path.startswith("/"):
        raise ValueError("must name a full path")
    return str(value)


def sha256(value: Any) -> str:
    if re.fullmatch(r"[0-9a-f]{64}", text(value)) is None:
        raise ValueError("must be a SHA-256: 64 hexadecimal digits")
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscSection:
    """`[disc]`"""

    work_dir: Path | None = option(
        "Folder that a disc is made in, emptied of discs at every start. Without it `discs` in "
        "`state_dir`. It needs twice the size of a disc.",
        "path",
        absolute,
        None,
    )
    work_mb: int = option(
        "Most MB that the work folder may hold.", "integer", whole(1, 1_000_000), 20_000
    )
    institution: str = option("Who makes the discs, for their README.TXT.", "text", text, "")
    viewer_dir: Path | None = option(
        "A program for viewing, put on every disc as `VIEWER`. Needs `viewer_sha256`.",
        "path",
        absolute,
        None,
    )
    viewer_sha256: str = option(
        "What `viewer_dir` must be; `--check` prints it. Another content is put on no disc.",
        "text",
        sha256,
        "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveSection:
    """`[[drives]]`, any number"""

    name: str = option("What the portal calls this drive; unique.", "text", name)
    device: str = option(
        "The burner. `stdio:/full/path` is a file that stands for one.", "text", device, ""
    )
    folder: Path | None = option(
        "Instead of a burner: a folder that images of discs are put into.", "path", absolute, None
    )
    capacity_mb: int = option(
        "Most MB on one disc; 0: what the medium takes.", "integer", whole(0, 1_000_000), 0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerSection:
    """`[[scanners]]`, any number"""

    name: str = option("What the portal calls this scanner; unique.", "text", name)
    port: Path = option("Its serial port, such as `/dev/ttyUSB0`.", "path", absolute)
    baud: int = option("Bits a second.", "integer", whole(110, 4_000_000), 9600)
    data_bits: int = option("Bits of a character.", "integer", whole(7, 8), 8)
    parity: str = option("`none`, `even` or `odd`.", "text", choice("none", "even", "odd"), "none")
    stop_bits: int = option("Stop bits.", "integer", whole(1, 2), 1)
    ends_with: str = option(
        "Ends of a code: `cr`, `lf`, `crlf`, `tab` or `etx`; `line` for any of the first three.",
        "text",
        choice("line", "cr", "lf", "crlf", "tab", "etx"),
        "line",
    )
    length: int = option(
        "Every code has so many characters and no end; 0: `ends_with` counts.",
        "integer",
        whole(0, 64),
        0,
    )
    prefix: str = option("Taken off where a code begins with it.", "text", text, "")
    suffix: str = option("Taken off where a code ends with it.", "text", text, "")
    debounce_seconds: float = option(
        "The same code again within so long is one reading.", "number", number(0, 60), 1.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hl7Section:
    """`[hl7]`"""

    port: int = option(
        "Port on which HL7 is taken in MLLP frames; 0: none.", "integer", whole(0, 65_535), 0
    )
    address: str = option("Address of this machine to listen on.", "text", text, "0.0.0.0")  # noqa: S104
    peers: tuple[str, ...] = option(
        "Addresses or networks that may connect; everybody else is disconnected.",
        "list",
        texts(network),
        (),
    )
    charset: str = option(
        "Character set (table 0211) of messages without MSH-18.",
        "text",
        choice("UNICODE UTF-8", *(f"8859/{part}" for part in (1, 2, 5, 7, 9, 15)), "ASCII"),
        "UNICODE UTF-8",
    )
    processing_ids: tuple[str, ...] = option(
        "Values of MSH-11 that are taken: production only, unless this is a test.",
        "list",
        texts(choice("P", "T", "D")),
        ("P",),
    )
    max_message_kb: int = option(
        "A larger message ends the connection.", "integer", whole(1, 32_768), 16_384
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistSection:
    """`[worklist]`"""

    port: int = option(
        "Port on which modalities ask for their worklist; 0: none.", "integer", whole(0, 65_535), 0
    )
    address: str = option("Address of this machine to listen on.", "text", text, "0.0.0.0")  # noqa: S104
    ae_title: str = option("What modalities call this agent.", "text", ae_title, "LIGHTBOX")
    peers: tuple[tuple[str, str], ...] = option(
        "AE titles that may ask, each with its address or network: `CT1@10.1.2.3`.",
        "list",
        texts(dicom_peer),
        (),
    )
    character_set: str = option(
        "Specific Character Set of answers; what it does not have becomes `?`.",
        "text",
        choice("ISO_IR 192", "ISO_IR 100", "ISO_IR 101", "ISO_IR 144", "ISO_IR 6"),
        "ISO_IR 192",
    )
    mpps: bool = option(
        "Take Modality Performed Procedure Steps: what was done, and how many images.",
        "yes/no",
        yes_no,
        True,
    )
    refresh_seconds: float = option(
        "The orders are asked for at least so often; the portal also says when some changed.",
        "number",
        number(1, 86_400),
        60.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSection:
    """`[[databases]]`, any number"""

    name: str = option("What queries call this database; unique.", "text", name)
    url: str = option(
        "`sqlite:////full/path.db` or `postgresql://host:port/database`, without user.",
        "text",
        database_url,
    )
    user: str = option("User, with no right but SELECT.", "text", text, "")
    password: Secret = secret("Password of the user.", required=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySection:
    """`[[queries]]`, any number"""

    name: str = option("What the portal calls this query; unique.", "text", name)
    database: str = option("Name of one of `[[databases]]`.", "text", reference)
    sql: str = option(
        "The SELECT, with its parameters as `:name`; a plain colon before a letter is `\\\\:`.",
        "text",
        several_lines,
    )
    params: dict[str, dict[str, Any]] = option(
        "Each parameter's `type` (text, integer, number, date, yes/no), `min`, `max`, `pattern`; "
        "of a text `max` is its length, else 64.",
        "section",
        parameters,
        None,
    )
    max_rows: int = option("Rows beyond are left out.", "integer", whole(1, 5000), 200)
    timeout_seconds: float = option(
        "A query that takes longer is broken off.", "number", number(0.1, 300), 10.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OruSection:
    """`[[oru]]`, any number"""

    name: str = option("What the portal calls this receiver; unique.", "text", name)
    host: str = option("Its name or address.", "text", text)
    port: int = option("Its MLLP port.", "integer", whole(1, 65_535))
    sending_application: str = option("MSH-3.", "text", text, "LIGHTBOX")
    sending_facility: str = option("MSH-4.", "text", text, "LIGHTBOX")
    receiving_application: str = option("MSH-5.", "text", text, "HIS")
    receiving_facility: str = option("MSH-6.", "text", text, "HOSPITAL")
    charset: str = option(
        "MSH-18; what it does not have becomes `?`.",
        "text",
        choice("UNICODE UTF-8", "8859/1", "8859/15", "ASCII"),
        "UNICODE UTF-8",
    )
    answer_seconds: float = option(
        "How long an acknowledgement is waited for.", "number", number(0.1, 600), 30.0
    )
    give_up_seconds: float = option(
        "How long a report is tried again that nobody acknowledges.",
        "number",
        number(0.1, 86_400),
        900.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSection:
    """`[update]`"""

    keys: tuple[str, ...] = option(
        "Public keys whose releases may be installed, as `release.py new-key` prints them. "
        "Needed where `update` is allowed.",
        "list",
        texts(release_key),
        (),
    )
    max_mb: int = option("Larger releases are refused.", "integer", whole(1, 200), 100)


SECTIONS: dict[str, type[Any]] = {
    "agent": AgentSection,
    "portal": PortalSection,
    "commands": CommandsSection,
    "upload": UploadSection,
    "folders": FolderSection,
    "relay": RelaySection,
    "printing": PrintingSection,
    "disc": DiscSection,
    "drives": DriveSection,
    "scanners": ScannerSection,
    "hl7": Hl7Section,
    "worklist": WorklistSection,
    "databases": DatabaseSection,
    "queries": QuerySection,
    "oru": OruSection,
    "update": UpdateSection,
}
REPEATED = frozenset({"folders", "relay", "drives", "scanners", "databases", "queries", "oru"})


@dataclass(frozen=True, slots=True)
class Described:
    """One row of the table of options."""

    section: str
    name: str
    kind: str
    default: str
    words: str


def described() -> list[Described]:
    """Every option as docs/agent.md lists it, in the order of this file."""
    rows = []
    for section, cls in SECTIONS.items():
        title = f"[[{section}]]" if section in REPEATED else f"[{section}]"
        for field in dataclasses.fields(cls):
            words, kind = field.metadata["words"], field.metadata["kind"]
            if kind == "secret":
                default = "required" if field.metadata["required"] else ""
                both = (
                    (f"{field.name}_file", "path", "File that holds it: "),
                    (f"{field.name}_env", "text", "Variable that holds it: "),
                )
                for key, key_kind, before in both:
                    rows.append(Described(title, key, key_kind, default, before + _lower(words)))
                continue
            rows.append(Described(title, field.name, kind, _shown(field.default), words))
    return rows


def _lower(words: str) -> str:
    return words[0].lower() + words[1:]


def _shown(value: Any) -> str:
    if value is dataclasses.MISSING:
        return "required"
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{each}"' for each in value) + "]`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value:g}`"
