"""What can be printed, by kind: the apps that own documents are asked here and import nothing.

AppConfig.ready() registers a provider for each kind. It is asked twice for every print: when the
command is given, for the person who gives it, and again, for the same person, when the agent
fetches the document. What changed in between is not printed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agents.errors import NotPossible

REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Printable:
    """A document as it is now.

    `version` changes with what is printed; `sha256` is of the bytes that `pdf` gives; `refusal`
    says in plain words why it may not be printed (any more), "" where it may. `study`, where there
    is one, is for the audit trail.
    """

    site: int
    version: str
    sha256: str
    pdf: Callable[[], bytes]
    title: str
    refusal: str = ""
    study: Any = None


Provider = Callable[[int, Any], Printable | None]
"""Takes a document's number and who asks (a user or Principal); None where it is hidden."""

_providers: dict[str, Provider] = {}


def register(kind: str, provider: Provider) -> None:
    """Say who has the documents of a kind."""
    _providers[kind] = provider


def is_known(kind: str) -> bool:
    """Whether somebody has documents of this kind."""
    return kind in _providers


def find(kind: str, number: int, who: Any) -> Printable | None:
    """The document, or None where there is none that `who` sees.

    Raises NotPossible where nobody has documents of this kind.
    """
    provider = _providers.get(kind)
    if provider is None:
        raise NotPossible("Documents of this kind are not printed.")
    return provider(number, who)
