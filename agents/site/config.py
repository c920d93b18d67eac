"""Reads agent.toml: every mistake with its line, in words; secrets never in the file itself."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agents.site import secret
from agents.site.options import (
    LOOPBACK,
    REPEATED,
    SECTIONS,
    UPDATE,
    AgentSection,
    CommandsSection,
    DatabaseSection,
    DiscSection,
    DriveSection,
    FolderSection,
    Hl7Section,
    OruSection,
    PortalSection,
    PrintingSection,
    QuerySection,
    RelaySection,
    ScannerSection,
    UpdateSection,
    UploadSection,
    WorklistSection,
)

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """A checked agent.toml."""

    agent: AgentSection
    portal: PortalSection
    commands: CommandsSection
    upload: UploadSection
    folders: tuple[FolderSection, ...]
    relay: tuple[RelaySection, ...]
    printing: PrintingSection
    disc: DiscSection
    drives: tuple[DriveSection, ...]
    scanners: tuple[ScannerSection, ...]
    hl7: Hl7Section
    worklist: WorklistSection
    databases: tuple[DatabaseSection, ...]
    queries: tuple[QuerySection, ...]
    oru: tuple[OruSection, ...]
    update: UpdateSection


class ConfigError(ValueError):
    """What is wrong with the file; `lines` is one sentence for each mistake."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


def load(path: Path, *, insecure_localhost: bool = False, enrolling: bool = False) -> Config:
    """Read and check a file. Raises ConfigError with all mistakes at once.

    `insecure_localhost` permits plain http, and only to this machine itself. `enrolling`: the
    agent's key is not there yet and is not read.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}, line {line}: not UTF-8"]) from None
    return parse(content, str(path), insecure_localhost=insecure_localhost, enrolling=enrolling)


def parse(
    content: str,
    source: str = "agent.toml",
    *,
    insecure_localhost: bool = False,
    enrolling: bool = False,
) -> Config:
    """Check the text of a file. Raises ConfigError."""
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(content, source, str(error))]) from None
    reader = _Reader(content, source, frozenset({"api_key"} if enrolling else ()))
    sections = {name: reader.section(document, name) for name in SECTIONS}
    for name in document.keys() - SECTIONS.keys():
        reader.complain((name,), f"there is no section {name!r}{_meant(name, SECTIONS)}")
    if not reader.mistakes:
        _across(reader, sections, insecure_localhost)
    if reader.mistakes:
        raise ConfigError(line for _, line in sorted(reader.mistakes))
    return Config(**sections)


def key_file(path: Path) -> Path:
    """Where the configuration at `path` keeps the agent's key. Raises ConfigError."""
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))["portal"]["api_key_file"]
        return Path(str(value))
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError([f"{path}: [portal] needs api_key_file, for enrolment"]) from None


def _across(reader: _Reader, sections: dict[str, Any], insecure_localhost: bool) -> None:
    """What holds between options."""
    portal: PortalSection = sections["portal"]
    parts = urlsplit(portal.url)
    if parts.path:
        reader.complain(("portal", "url"), "url must end after the host and port")
    if parts.scheme != "https":
        if not insecure_localhost:
            reader.complain(("portal", "url"), "url must begin with https://")
        elif parts.hostname not in LOOPBACK:
            reader.complain(
                ("portal", "url"), "--insecure-localhost is for a portal on this machine only"
            )
    if len(portal.pins) == 1:
        reader.complain(
            ("portal", "pins"), "pins needs a second key, for the day the first is replaced"
        )
    if UPDATE in sections["commands"].allow and not sections["update"].keys:
        reader.complain(("commands", "allow"), "the command update needs [update] keys")
    if portal.proxy_password and not portal.proxy_user:
        reader.complain(("portal",), "a proxy's password needs proxy_user")
    for name in REPEATED:
        seen: set[str] = set()
        for index, each in enumerate(sections[name]):
            if each.name in seen:
                reader.complain((name, index, "name"), f"name {each.name!r} is used twice")
            seen.add(each.name)
    _ris(reader, sections)
    for index, folder in enumerate(sections["folders"]):
        _folder(reader, index, folder, sections["upload"])
    _discs(reader, sections["disc"], sections["drives"])


def _ris(reader: _Reader, sections: dict[str, Any]) -> None:
    for name in ("hl7", "worklist"):
        if sections[name].port and not sections[name].peers:
            reader.complain((name, "port"), f"[{name}] needs peers: nobody may connect")
    databases = {each.name for each in sections["databases"]}
    for index, query in enumerate(sections["queries"]):
        if query.database not in databases:
            reader.complain(
                ("queries", index, "database"),
                f"there is no database {query.database!r}{_meant(query.database, databases)}",
            )
        used, given = placeholders(query.sql), set(query.params or {})
        for missing in sorted(used - given):
            reader.complain(("queries", index, "sql"), f"params does not describe :{missing}")
        for unused in sorted(given - used):
            reader.complain(("queries", index, "params"), f"sql has no :{unused}")


def placeholders(sql: str) -> set[str]:
    """The names of `:name` in a statement as SQLAlchemy reads it; `::type` and `\\:` are none."""
    return set(re.findall(r"(?<![:\w\\]):(\w+)(?!:)", sql))


def _folder(reader: _Reader, index: int, folder: FolderSection, upload: UploadSection) -> None:
    where: Where = ("folders", index)
    if folder.after == "delete":
        reader.complain(
            (*where, "after"),
            "after = 'delete' is refused: the portal does not yet confirm to agents that an image "
            "is backed up; use 'leave' or 'move'",
        )
    if folder.after == "move" and folder.done_dir is None:
        reader.complain((*where, "after"), "after = 'move' needs done_dir")
    for key in ("done_dir", "failed_dir"):
        target = getattr(folder, key)
        if target is not None and target.is_relative_to(folder.path):
            reader.complain((*where, key), f"{key} must lie outside the folder it serves")
    if folder.other_files == "failed" and folder.failed_dir is None:
        reader.complain((*where, "other_files"), "other_files = 'failed' needs failed_dir")
    if folder.only_at_night and upload.night is None:
        reader.complain((*where, "only_at_night"), "only_at_night needs upload.night")


def _discs(reader: _Reader, disc: DiscSection, drives: tuple[DriveSection, ...]) -> None:
    if (disc.viewer_dir is None) != (disc.viewer_sha256 == ""):
        reader.complain(("disc",), "viewer_dir and viewer_sha256 belong together")
    for index, drive in enumerate(drives):
        if bool(drive.device) == (drive.folder is not None):
            reader.complain(("drives", index), "[[drives]] needs a device or a folder")


class _Reader:
    """Turns tables into sections and collects what is wrong."""

    def __init__(self, content: str, source: str, unread: frozenset[str]) -> None:
        self.content = content
        self.source = source
        self.unread = unread
        self.mistakes: list[tuple[int, str]] = []

    def complain(self, where: Where, words: str) -> None:
        line = line_of(self.content, where)
        while line == 0 and where:
            where = where[:-1]
            line = line_of(self.content, where)
        at = f"{self.source}, line {line}" if line else self.source
        self.mistakes.append((line, f"{at}: {words}"))

    def section(self, document: dict[str, Any], name: str) -> Any:
        if name not in REPEATED:
            return self._table(document.get(name, {}), (name,), SECTIONS[name])
        tables = document.get(name, [])
        if not isinstance(tables, list):
            self.complain((name,), f"write [[{name}]] with two brackets")
            return ()
        return tuple(
            self._table(table, (name, index), SECTIONS[name]) for index, table in enumerate(tables)
        )

    def _table(self, table: Any, where: Where, cls: type[Any]) -> Any:
        if not isinstance(table, dict):
            self.complain(where, f"{where[0]} must be a section: [{where[0]}]")
            return None
        before = len(self.mistakes)
        values: dict[str, Any] = {}
        known: set[str] = set()
        for field in dataclasses.fields(cls):
            if field.metadata["kind"] == "secret":
                known |= {f"{field.name}_file", f"{field.name}_env"}
                values[field.name] = self._secret(table, where, field)
            elif field.name in table:
                known.add(field.name)
                values[field.name] = self._value(table, where, field)
            else:
                known.add(field.name)
                if field.default is dataclasses.MISSING:
                    self.complain(where, f"{_title(where)} needs {field.name}")
        for key in table.keys() - known:
            self.complain((*where, key), f"there is no option {key!r}{_meant(key, known)}")
        return cls(**values) if len(self.mistakes) == before else None

    def _value(self, table: dict[str, Any], where: Where, field: dataclasses.Field[Any]) -> Any:
        try:
            return field.metadata["check"](table[field.name])
        except ValueError as error:
            self.complain((*where, field.name), f"{field.name} {error}")
            return None

    def _secret(
        self, table: dict[str, Any], where: Where, field: dataclasses.Field[Any]
    ) -> secret.Secret:
        given = [key for key in (f"{field.name}_file", f"{field.name}_env") if key in table]
        if not given:
            if field.metadata["required"]:
                self.complain(where, f"{_title(where)} needs {field.name}_file or {field.name}_env")
            return secret.Secret()
        if len(given) == 2:
            self.complain((*where, given[1]), f"give {given[0]} or {given[1]}, not both")
            return secret.Secret()
        if field.name in self.unread:
            return secret.Secret()
        value = table[given[0]]
        try:
            if not isinstance(value, str) or not value:
                raise secret.SecretError("must be a text in quotes")
            if given[0].endswith("_env"):
                return secret.from_environment(value)
            return secret.from_file(Path(value))
        except secret.SecretError as error:
            self.complain((*where, given[0]), f"{given[0]}: {error}")
            return secret.Secret()


def _title(where: Where) -> str:
    return f"[[{where[0]}]]" if where[0] in REPEATED else f"[{where[0]}]"


def _meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _syntax(content: str, source: str, words: str) -> str:
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", words)
    if found is None:
        return f"{source}: not valid TOML: {words}"
    line = int(found[2] or max(content.count("\n") + (not content.endswith("\n")), 1))
    return f"{source}, line {line}: not valid TOML: {found[1]}"


def line_of(content: str, where: Where) -> int:
    """The line in which an option or section begins; 0 where it is not in the file.

    The statement that brings it in is the first whose end gives a document that holds it.
    """
    if not where:
        return 0
    lines = content.split("\n")
    begin = 0
    for end in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        if _holds(document, where):
            while begin < end - 1 and lines[begin].strip()[:1] in ("", "#"):
                begin += 1
            return begin + 1
        begin = end
    return 0


def _holds(document: Any, where: Where) -> bool:
    for step in where:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return False
        elif not isinstance(document, dict) or step not in document:
            return False
        document = document[step]
    return True
