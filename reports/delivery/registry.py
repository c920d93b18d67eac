"""Ways out of the portal, by name. Apps register theirs in AppConfig.ready()."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from reports.delivery.models import Delivery, DeliveryPlace
from reports.models import ReportVersion


@dataclass(frozen=True, slots=True)
class Target:
    """Where something can go: `data` is what the transport needs, `label` says it in words.

    Deliveries with the same `place_key` share a worker, and a pause when the place fails.
    """

    label: str
    data: dict[str, Any]
    place_key: str
    place_name: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a delivery stands. `is_done` False: somebody else has it and calls it `reference`."""

    is_done: bool
    reference: str = ""
    progress: str = ""


DONE = Outcome(is_done=True)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an administrator enters for a place, as it was checked."""

    values: dict[str, Any]
    problems: dict[str, str] = field(default_factory=dict)


class Transport(Protocol):
    """One way out. What goes wrong is raised: `errors.PermanentError` where no repetition helps,
    `errors.RetriableError` otherwise; with `whole_place=True` the place itself is in trouble and
    pauses, with `uncertain=True` it may have arrived all the same. The words are for people.
    """

    title: str
    is_entered: bool
    """Whether its places are entered by an administrator."""
    follows_versions: bool
    """Whether a newer version takes the place of one that waits, or the older is only cancelled."""
    recall_words: str
    """Why it cannot be called back, "" where it can."""

    def targets(self, site_id: int) -> list[Target]:
        """Where people may send reports of a site."""

    def rule_targets(self, site_id: int) -> list[Target]:
        """What rules of a site may name."""

    def describe(self, site_id: int, data: dict[str, Any]) -> Target:
        """The target of `data`. Raises PermanentError where there is none any more."""

    def expand(self, version: ReportVersion, data: dict[str, Any]) -> list[dict[str, Any]]:
        """The targets that a rule means for this version; may make what they need."""

    def clean_settings(self, site_id: int, values: dict[str, Any]) -> Settings:
        """Check what an administrator enters for a place."""

    def deliver(self, delivery: Delivery) -> Outcome:
        """Deliver, as often as it is called with the same effect. Not in a transaction."""

    def progress(self, delivery: Delivery) -> Outcome:
        """How a delivery stands that somebody else has; raises as `deliver` does."""

    def cancel(self, delivery: Delivery) -> bool:
        """Take back what somebody else has; True where it is certain that nothing came of it."""


class Base:
    """What most transports have in common."""

    title = ""
    is_entered = False
    follows_versions = True
    recall_words = ""

    def targets(self, site_id: int) -> list[Target]:
        return []

    def rule_targets(self, site_id: int) -> list[Target]:
        """What people may choose, rules may."""
        return self.targets(site_id)

    def expand(self, version: ReportVersion, data: dict[str, Any]) -> list[dict[str, Any]]:
        """The one target that the rule names."""
        return [data]

    def clean_settings(self, site_id: int, values: dict[str, Any]) -> Settings:
        """Places of this transport are not entered."""
        return Settings({}, {"transport": "Places of this kind are not entered here."})

    def progress(self, delivery: Delivery) -> Outcome:
        """Nobody else has it."""
        return DONE

    def cancel(self, delivery: Delivery) -> bool:
        """Nobody else has it."""
        return True


_transports: dict[str, Transport] = {}


def register(name: str, transport: Transport) -> None:
    """Say who carries out deliveries of this name (at most 20 characters)."""
    _transports[name] = transport


def find(name: str) -> Transport | None:
    """The transport, or None where nobody has it."""
    return _transports.get(name)


def everything() -> Iterable[tuple[str, Transport]]:
    """Every transport with its name, in the order of their titles."""
    return sorted(_transports.items(), key=lambda each: each[1].title)


def title_of(name: str) -> str:
    """What people call the transport."""
    transport = find(name)
    return transport.title if transport is not None else name


def entered(transport: str, site_id: int) -> list[Target]:
    """The places of a transport that administrators entered, as targets."""
    rows = DeliveryPlace.objects.filter(
        site=site_id, transport=transport, is_enabled=True, key__startswith="own:"
    )
    return [of_place(place) for place in rows]


def of_place(place: DeliveryPlace) -> Target:
    """An entered place as a target."""
    return Target(place.name, {"place": place.pk}, place.key, place.name)


def entered_place(site_id: int, transport: str, data: dict[str, Any]) -> DeliveryPlace | None:
    """The place that `data` of an entered transport names."""
    number = data.get("place")
    if not isinstance(number, int):
        return None
    return DeliveryPlace.objects.filter(pk=number, site=site_id, transport=transport).first()
