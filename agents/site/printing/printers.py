"""The printers of a CUPS as people know them: name, state, and what is wrong in plain words."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from agents import protocol
from agents.site.printing.ipp import Cups, Group, many, queue_path

IDLE, PRINTING, STOPPED = 3, 4, 5
STATES = {IDLE: "idle", PRINTING: "printing", STOPPED: "stopped"}
DEFAULT_PRINTER = 0x20000
"""The bit of CUPS's printer-type that marks the default one."""

# RFC 8011 5.4.12 and PWG 5100.9; without the ending that tells how bad it is.
WORDS = {
    "media-empty": "out of paper",
    "media-needed": "needs paper",
    "media-low": "paper is low",
    "media-jam": "paper jam",
    "toner-empty": "out of toner",
    "toner-low": "toner is low",
    "marker-supply-empty": "out of toner or ink",
    "marker-supply-low": "toner or ink is low",
    "marker-waste-full": "the waste container is full",
    "opc-life-over": "the drum is worn out",
    "fuser-over-temp": "the fuser is too hot",
    "fuser-under-temp": "warming up",
    "cover-open": "a cover is open",
    "door-open": "a door is open",
    "interlock-open": "a cover is open",
    "input-tray-missing": "a paper tray is missing",
    "output-tray-missing": "the output tray is missing",
    "output-area-full": "the output tray is full",
    "output-area-almost-full": "the output tray is almost full",
    "spool-area-full": "its memory is full",
    "connecting-to-device": "cannot be reached",
    "timed-out": "does not answer",
    "offline": "offline",
    "shutdown": "switched off",
    "paused": "paused",
    "moving-to-paused": "being paused",
    "stopped-partly": "partly stopped",
    "cups-missing-filter": "its driver is missing",
    "cups-insecure-filter": "its driver is not safe to use",
    "hold-new-jobs": "holds its jobs",
}
# What CUPS tells itself while all is well.
NO_TROUBLE = frozenset({"none", "cups-waiting-for-job-completed"})
AWAY = frozenset({"connecting-to-device", "timed-out", "offline", "shutdown"})
"""Reasons for which nothing comes out, whatever the job's state."""
# What CUPS's backends say of a printer that is switched off or unplugged, without any reason. They
# speak the language of the job's attributes, which is English.
MESSAGES = {
    "The printer may not exist": "cannot be reached",
    "The printer is unreachable": "cannot be reached",
    "The printer is not responding": "does not answer",
    "Unable to locate printer": "cannot be found in the network",
    "Waiting for printer to become available": "busy with something else",
    "The printer is in use": "busy with something else",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One queue of the print system. `path` is where CUPS keeps it."""

    name: str
    path: str
    state: int
    accepting: bool
    reasons: tuple[str, ...]
    is_default: bool
    trays: tuple[str, ...]
    sides: tuple[str, ...]
    away: str = ""

    @property
    def words(self) -> str:
        """What is wrong, "" where nothing is."""
        found = [WORDS.get(each, each.replace("-", " ")) for each in self.reasons]
        if self.away:
            found.append(self.away)
        if self.state == STOPPED and "paused" not in found:
            found.insert(0, "paused")
        return ", ".join(dict.fromkeys(found))[:300]

    @property
    def is_away(self) -> bool:
        """Whether the print system has no way to the printer."""
        return bool(self.away) or not AWAY.isdisjoint(self.reasons)

    def told(self) -> protocol.Printer:
        """As the portal is told of it."""
        return protocol.Printer(
            name=self.name[:200],
            state=STATES.get(self.state, "unknown"),
            accepting=self.accepting,
            reason=self.words,
            is_default=self.is_default,
            trays=tuple(each[:60] for each in self.trays[:40]),
            duplex=any(each.startswith("two-sided") for each in self.sides),
        )


async def printers(cups: Cups, allowed: Collection[str]) -> list[Found]:
    """The queues that may be used, all where `allowed` is empty. Raises IppError."""
    found = [_found(each) for each in await cups.printers()]
    return [each for each in found if each.name and (not allowed or each.name in allowed)]


async def now(cups: Cups, path: str) -> Found:
    """One queue as it is now. Raises IppError."""
    return _found(await cups.printer(path))


def _found(group: Group) -> Found:
    name = str(group.get("printer-name") or "")
    uri = str((many(group.get("printer-uri-supported")) or [""])[0])
    path = urlsplit(uri).path
    kind = group.get("printer-type")
    state = _whole(group.get("printer-state"))
    # The message of a job that is over stays.
    message = str(group.get("printer-state-message") or "") if state == PRINTING else ""
    return Found(
        name=name,
        path=path if unquote(path).startswith(("/printers/", "/classes/")) else queue_path(name),
        state=state,
        accepting=group.get("printer-is-accepting-jobs") is not False,
        reasons=tuple(
            reason
            for each in many(group.get("printer-state-reasons"))
            if (reason := _bare(str(each))) and reason not in NO_TROUBLE
        ),
        is_default=isinstance(kind, int) and bool(kind & DEFAULT_PRINTER),
        trays=tuple(str(each) for each in many(group.get("media-source-supported"))),
        sides=tuple(str(each) for each in many(group.get("sides-supported"))),
        away=next((words for begin, words in MESSAGES.items() if message.startswith(begin)), ""),
    )


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int) else 0


def _bare(reason: str) -> str:
    for ending in ("-error", "-warning", "-report"):
        if reason.endswith(ending):
            return reason.removesuffix(ending)
    return reason
