"""A link by e-mail to somebody with an account: no patient data, no report in the mail."""

from __future__ import annotations

import smtplib
from collections.abc import Iterable
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from pacs import audit
from pacs.accounts.models import Membership, Role, User
from reports.delivery.models import Delivery
from reports.delivery.registry import Base, Outcome, Target
from reports.errors import PermanentError, RetriableError
from reports.models import ReportVersion, VersionKind
from studies.dicom.charset import search_key
from studies.models import Study, StudyGrant

GONE = "This person has no active account with an address at the site."
NO_SERVER = "The portal has no mail server: PACS_EMAIL_HOST is not set."
NO_ACCESS = "This person may not see the study, so no link was sent."
DUMMY = "django.core.mail.backends.dummy.EmailBackend"
GRANTED, REFERRING = "granted", "referring"
RULES = {
    GRANTED: "Referrers who may see the study",
    REFERRING: "The referring physician, who is given access to the study",
}


class EmailTransport(Base):
    """Targets `{"user": 5}`. Rules name `{"to": "granted"}` or `{"to": "referring"}`."""

    title = "E-mail with a link"

    def targets(self, site_id: int) -> list[Target]:
        return [_target(user) for user in _referrers(site_id)]

    def rule_targets(self, site_id: int) -> list[Target]:
        """Whom a rule means is found for each version."""
        return [Target(words, {"to": to}, "mail", "E-mail") for to, words in RULES.items()]

    def describe(self, site_id: int, data: dict[str, Any]) -> Target:
        """Raises PermanentError where the account is gone."""
        if data.get("to") in RULES:
            return Target(RULES[data["to"]], data, "mail", "E-mail")
        return _target(_user(site_id, data))

    def expand(self, version: ReportVersion, data: dict[str, Any]) -> list[dict[str, Any]]:
        """The referrers with an address who may see the study. A preliminary report is no
        referrer's. For "referring", access is given first to whom the study names."""
        if version.kind == VersionKind.PRELIMINARY:
            return []
        study = version.report.study
        if data.get("to") == REFERRING:
            person = referring(study)
            if person is None:
                return []
            _grant(study, person, version)
            return [{"user": person.pk}]
        return [{"user": user.pk} for user in _referrers(study.site_id) if _sees(user, study)]

    def deliver(self, delivery: Delivery) -> Outcome:
        """One mail; the same Message-ID with every try."""
        user = _user(delivery.site_id, delivery.target)
        report = delivery.version.report
        if not delivery.is_recall and not _sees(user, report.study):
            raise PermanentError(NO_ACCESS)
        if settings.EMAIL_BACKEND == DUMMY:
            raise PermanentError(NO_SERVER)
        subject, lines = _recall_words(report.pk) if delivery.is_recall else _words(report.pk)
        domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
        number = f"delivery-{delivery.pk}-{delivery.version.verification.hex[:12]}"
        mail = EmailMessage(
            subject,
            "\n\n".join(lines) + "\n",
            settings.DEFAULT_FROM_EMAIL,
            [user.email],
            headers={"Message-ID": f"<{number}@{domain}>"},
        )
        try:
            mail.send()
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            if all(500 <= code < 600 for code in codes):
                raise PermanentError("The mail server does not know the address.") from error
            raise RetriableError("The mail server does not take the mail now.") from error
        except (OSError, smtplib.SMTPException) as error:
            raise RetriableError("The mail server cannot be reached.", whole_place=True) from error
        return Outcome(is_done=True, reference=number)


def referring(study: Study) -> User | None:
    """The one referrer of the site whose name is the study's ReferringPhysicianName (0008,0090).

    Family and given name must both be equal, whatever their case and accents, and nobody else's.
    """
    parts = [*study.referring_physician_name.split("=")[0].split("^"), "", ""]
    family, given = search_key(parts[0]).strip(), search_key(parts[1]).strip()
    if not family or not given:
        return None
    same = [
        user
        for user in _referrers(study.site_id)
        if (search_key(user.last_name).strip(), search_key(user.first_name).strip())
        == (family, given)
    ]
    return same[0] if len(same) == 1 else None


def _referrers(site_id: int) -> Iterable[User]:
    members = Membership.objects.filter(site=site_id, role=Role.REFERRER).values("user")
    return User.objects.filter(pk__in=members, is_active=True).exclude(email="").order_by("pk")


def _user(site_id: int, data: dict[str, Any]) -> User:
    number = data.get("user")
    found = next((user for user in _referrers(site_id) if user.pk == number), None)
    if found is None:
        raise PermanentError(GONE)
    return found


def _target(user: User) -> Target:
    return Target(f"{user}", {"user": user.pk}, "mail", "E-mail")


def _sees(user: User, study: Study) -> bool:
    return bool(Study.objects.visible_to(user).filter(pk=study.pk).exists())


def _grant(study: Study, person: User, version: ReportVersion) -> None:
    """Access that the site's rule gives, in the name of who signed."""
    grant, is_new = StudyGrant.objects.get_or_create(
        study=study, user=person, defaults={"granted_by": version.signer}
    )
    if is_new:
        audit.record(
            "grant.added",
            actor=version.signer,
            study=study,
            detail={"user": person.pk, "grant": grant.pk, "by": "delivery rule"},
        )


def _link(report_id: int) -> list[str]:
    if not settings.PUBLIC_URL:
        return ["Log in to the portal to read it."]
    return [f"{settings.PUBLIC_URL.rstrip('/')}/reports/{report_id}/"]


def _words(report_id: int) -> tuple[str, list[str]]:
    lines = ["A radiology report that you may read was signed.", *_link(report_id)]
    return "A radiology report is ready", [*lines, "You need your login for it."]


def _recall_words(report_id: int) -> tuple[str, list[str]]:
    lines = [
        "A radiology report that you were told of was withdrawn. Do not rely on it.",
        *_link(report_id),
    ]
    return "A radiology report was withdrawn", lines
