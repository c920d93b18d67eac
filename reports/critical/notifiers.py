"""The ways to tell somebody that a result waits. None of them carries patient data.

E-mail with a link is built in; others (a pager, a messenger) register themselves in
`AppConfig.ready()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from django.conf import settings
from django.core.mail import send_mail

from pacs.accounts.models import User
from reports.errors import RetriableError


@dataclass(frozen=True, slots=True)
class Notice:
    """What a notifier may say: who it goes to, the link, how urgent, and whether it is late."""

    to: User
    link: str
    urgency: str
    is_escalation: bool


class Notifier(Protocol):
    """`reaches` whether there is a way to this person, `tell` goes it.

    `tell` has a timeout of its own and raises RetriableError where trying again may help.
    """

    label: str

    def reaches(self, user: User) -> bool: ...

    def tell(self, notice: Notice) -> None: ...


_notifiers: dict[str, Notifier] = {}


def register(name: str, notifier: Notifier) -> None:
    """Add a way, or put another in the place of one."""
    _notifiers[name] = notifier


def ways_to(user: User) -> list[Notifier]:
    """Every way that reaches the person."""
    return [each for each in _notifiers.values() if each.reaches(user)]


def link_to(result: int) -> str:
    """The page of a result; only the path where the portal does not know its own address."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/critical/{result}/"


class Email:
    """A mail with nothing but a link. EMAIL_TIMEOUT bounds it."""

    label = "e-mail"

    def reaches(self, user: User) -> bool:
        return bool(user.email)

    def tell(self, notice: Notice) -> None:
        late = "A critical result has not been acknowledged" if notice.is_escalation else ""
        words = (
            f"{late or 'A critical result waits for you'} ({notice.urgency.lower()}).\n\n"
            f"Log in to read and acknowledge it:\n{notice.link}\n\n"
            "This mail holds no patient data. Do not answer it.\n"
        )
        try:
            send_mail(
                late or "A critical result waits for you",
                words,
                settings.DEFAULT_FROM_EMAIL,
                [notice.to.email],
            )
        except OSError as error:
            raise RetriableError("The mail server did not take the mail.") from error


register("email", Email())
