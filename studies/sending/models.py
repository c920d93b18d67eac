"""Where images can be sent to, and what is to be sent, image by image."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import Site
from pacs.accounts.principal import principal_or_none
from pacs.crypto import EncryptedTextField
from studies.sending.addresses import problem_of_url

# Characters of VR AE (PS3.5 6.2) without the backslash; 16 at most.
AE_TITLE = RegexValidator(r"^(?! )[ -\[\]-~]{1,16}(?<! )$", "1 to 16 plain characters.")
HOST = RegexValidator(r"^[A-Za-z0-9.:-]{1,200}$", "A host name or an IP address.")
GIVE_UP_AFTER = timedelta(hours=24)


def give_up_at() -> Any:
    """When a send that is asked for now is called failed if it never gets through."""
    return timezone.now() + GIVE_UP_AFTER


class Kind(models.TextChoices):
    DICOM = "dicom", "DICOM node"
    DICOMWEB = "dicomweb", "DICOMweb server"


class DestinationQuerySet(models.QuerySet[Any]):
    """Destinations; start from `visible_to` wherever a person or a program asks."""

    def visible_to(self, who: Any) -> DestinationQuerySet:
        """Destinations of the sites that the user (or Principal) sees whole."""
        principal = principal_or_none(who)
        if principal is None:
            return self.none()
        return self if principal.is_superuser else self.filter(site_id__in=principal.whole_sites)


class Destination(models.Model):
    """A node or server that studies of one site may be sent to, and how it does."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="destinations")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=Kind)
    is_enabled = models.BooleanField(default=True)

    orthanc_server = models.ForeignKey(
        "studies.OrthancServer",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="destinations",
        help_text="The Orthanc that reaches the node. It must be the site's own.",
    )
    ae_title = models.CharField(
        "AE title", max_length=16, blank=True, validators=[AE_TITLE], help_text="Of the node"
    )
    host = models.CharField(max_length=200, blank=True, validators=[HOST])
    port = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )

    url = models.URLField(
        "URL", max_length=300, blank=True, help_text="Root of the service, above /studies"
    )
    authorization = EncryptedTextField(
        blank=True, help_text='The Authorization header, such as "Bearer ..."'
    )

    lease_token = models.BigIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    next_attempt_at = models.DateTimeField(null=True, editable=False)
    last_contact_at = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=200, blank=True, editable=False)

    objects = DestinationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "name"], name="destination_once"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """What each kind needs, and that nothing of a site is sent through another's Orthanc."""
        if self.kind == Kind.DICOM:
            self._clean_node()
        elif self.kind == Kind.DICOMWEB:
            self._clean_server()

    def _clean_node(self) -> None:
        missing = [
            name
            for name in ("orthanc_server", "ae_title", "host", "port")
            if not getattr(self, name)
        ]
        if missing:
            raise ValidationError(dict.fromkeys(missing, "A DICOM node needs this."))
        server = self.orthanc_server
        if server is not None and server.site_id != self.site_id:
            raise ValidationError({"orthanc_server": "This Orthanc belongs to another site."})

    def _clean_server(self) -> None:
        parts = urlsplit(self.url)
        if not parts.hostname:
            raise ValidationError({"url": "A DICOMweb server needs this."})
        if problem := problem_of_url(self.url):
            raise ValidationError({"url": problem})
        if any(letter in self.authorization for letter in "\r\n"):
            raise ValidationError("The authorization is one line.")


class State(models.TextChoices):
    QUEUED = "queued", "Waiting"
    SENDING = "sending", "Sending"
    DONE = "done", "Sent"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


OPEN = (State.QUEUED, State.SENDING)


class SendQuerySet(models.QuerySet[Any]):
    """Sends; start from `visible_to` wherever a person or a program asks."""

    def visible_to(self, who: Any) -> SendQuerySet:
        """Sends of studies of the sites that the user (or Principal) sees whole; no referrers."""
        principal = principal_or_none(who)
        if principal is None:
            return self.none()
        if principal.is_superuser:
            return self
        return self.filter(study__site_id__in=principal.whole_sites)


class Send(models.Model):
    """A study, or one series of it, on its way to a destination. One open row for each way.

    `claim` is the destination's lease token of who works on it: whoever writes progress must
    still hold it.
    """

    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="sends")
    series = models.ForeignKey(
        "studies.Series", on_delete=models.PROTECT, null=True, blank=True, related_name="sends"
    )
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="sends")
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0, help_text="Failed ones in a row")
    next_attempt_at = models.DateTimeField(null=True)
    give_up_at = models.DateTimeField(default=give_up_at)
    last_error = models.CharField(max_length=200, blank=True)
    claim = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = SendQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["study", "destination"],
                condition=Q(state__in=["queued", "sending"], series=None),
                name="send_study_once",
            ),
            models.UniqueConstraint(
                fields=["series", "destination"],
                condition=Q(state__in=["queued", "sending"]) & ~Q(series=None),
                name="send_series_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["destination", "id"],
                condition=Q(state__in=["queued", "sending"]),
                name="send_open",
            ),
        ]

    def __str__(self) -> str:
        return f"send {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def why(self) -> str:
        """Why it waits or has failed: its own trouble, or that of the destination it waits for."""
        if self.last_error or self.state != State.QUEUED:
            return self.last_error
        destination = self.destination
        if not destination.is_enabled:
            return "The destination is switched off."
        return destination.last_error if destination.failures else ""


class SendItem(models.Model):
    """One instance of a send. What is `sent` has been acknowledged by the destination."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        REFUSED = "refused", "Refused"

    send = models.ForeignKey(Send, on_delete=models.CASCADE, related_name="items")
    instance = models.ForeignKey("studies.Instance", on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["send", "instance"], name="send_item_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["send", "id"], condition=Q(state="waiting"), name="send_item_waiting"
            ),
        ]

    def __str__(self) -> str:
        return f"item {self.pk} of send {self.send_id}"
