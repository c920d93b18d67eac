"""Site agents, their keys, what they are told to do and what they report."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents import protocol
from pacs.accounts.models import Site
from pacs.accounts.principal import principal_or_none

# Heard of within this time, a connected agent counts as online. Three heartbeats.
ONLINE_SECONDS = 90
KEY_PREFIX = "lba_"


def digest_of(secret: str) -> str:
    """What is kept of a key or an enrolment code."""
    return hashlib.sha256(secret.encode()).hexdigest()


def validate_networks(value: Any) -> None:
    """Refuses what is no list of networks such as 10.1.0.0/16."""
    if not isinstance(value, list):
        raise ValidationError("Networks are a list.")
    for each in value:
        try:
            ipaddress.ip_network(each)
        except (ValueError, TypeError):
            raise ValidationError(f"Not a network such as 10.1.0.0/16: {each}") from None


def validate_commands(value: Any) -> None:
    """Refuses what is no list of commands of the protocol."""
    if not isinstance(value, list) or set(value) - set(protocol.COMMANDS):
        raise ValidationError("Not a list of commands.")


def every_command() -> list[str]:
    return list(protocol.COMMANDS)


class OfSitesQuerySet(models.QuerySet[Any]):
    """Rows of agents; start from `visible_to` wherever a person or a program asks."""

    site_lookup = "agent__site_id"

    def visible_to(self, who: Any) -> Any:
        """Rows of the sites that the user (or Principal) sees whole; no referrers."""
        principal = principal_or_none(who)
        if principal is None:
            return self.none()
        if principal.is_superuser:
            return self
        return self.filter(**{f"{self.site_lookup}__in": principal.whole_sites})


class AgentQuerySet(OfSitesQuerySet):
    site_lookup = "site_id"

    def online(self) -> AgentQuerySet:
        return self.exclude(connection="").filter(
            last_seen_at__gt=timezone.now() - timedelta(seconds=ONLINE_SECONDS)
        )


class AgentState(models.TextChoices):
    NEW = "new", "Not enrolled"
    ACTIVE = "active", "Active"
    DISABLED = "disabled", "Switched off"


class Agent(models.Model):
    """The portal's hands at one site. `connection` names its live socket, "" while it has none."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="agents")
    name = models.CharField(max_length=80)
    state = models.CharField(
        max_length=10, choices=AgentState, default=AgentState.NEW, editable=False
    )
    allowed_networks = models.JSONField(
        default=list,
        blank=True,
        validators=[validate_networks],
        help_text="Networks that it may connect from. Empty: from anywhere.",
    )
    allowed_commands = models.JSONField(
        default=every_command, blank=True, validators=[validate_commands]
    )

    version = models.CharField(max_length=40, blank=True, editable=False)
    # The signed release that runs; 0 for a program that was installed by hand.
    release_seq = models.BigIntegerField(default=0, editable=False)
    platform = models.CharField(max_length=120, blank=True, editable=False)
    capabilities = models.JSONField(default=list, editable=False)
    queue_length = models.BigIntegerField(default=0, editable=False)
    folders = models.JSONField(default=list, editable=False)
    printers = models.JSONField(default=list, editable=False)
    drives = models.JSONField(default=list, editable=False)
    scanners = models.JSONField(default=list, editable=False)
    last_errors = models.JSONField(default=list, editable=False)

    connection = models.CharField(max_length=36, blank=True, editable=False)
    connected_at = models.DateTimeField(null=True, editable=False)
    last_seen_at = models.DateTimeField(null=True, editable=False)
    silent_since = models.DateTimeField(null=True, editable=False)
    silence_mailed_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AgentQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "name"], name="agent_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_online(self) -> bool:
        return bool(
            self.connection
            and self.last_seen_at
            and self.last_seen_at > timezone.now() - timedelta(seconds=ONLINE_SECONDS)
        )

    def may_connect_from(self, address: str) -> bool:
        """Whether the address lies in one of the allowed networks; an unknown one in none."""
        if not self.allowed_networks:
            return True
        try:
            place = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(place in ipaddress.ip_network(each) for each in self.allowed_networks)


class AgentKey(models.Model):
    """256 random bits that an agent shows; only their SHA-256 is kept."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="keys")
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.prefix}..."

    @staticmethod
    def usable() -> Q:
        """The condition of keys that open a connection now."""
        return Q(
            revoked_at=None, expires_at__gt=timezone.now(), agent__state=AgentState.ACTIVE.value
        )

    @classmethod
    def find(cls, secret: str) -> AgentKey | None:
        """The usable key of this secret, with its agent and site."""
        if not secret.startswith(KEY_PREFIX) or len(secret) > 100:
            return None
        return (
            cls.objects.select_related("agent__site")
            .filter(cls.usable(), digest=digest_of(secret))
            .first()
        )


class EnrolmentCode(models.Model):
    """Turns one installed agent into this agent, once. Only its SHA-256 is kept."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="enrolment_codes")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"enrolment code {self.pk}"


class CommandState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    SENT = "sent", "Sent"
    ACCEPTED = "accepted", "Accepted"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"


WAITING = (CommandState.QUEUED, CommandState.SENT)
WITH_AGENT = (CommandState.SENT, CommandState.ACCEPTED, CommandState.RUNNING)
OPEN = (CommandState.QUEUED, *WITH_AGENT)


class CommandKind(models.TextChoices):
    PING = protocol.PING, "Ping"
    SCAN_FOLDER = protocol.SCAN_FOLDER, "Scan a folder"
    UPLOAD_DICOM = protocol.UPLOAD_DICOM, "Upload a file"
    LIST_PRINTERS = protocol.LIST_PRINTERS, "List printers"
    PRINT_REPORT = protocol.PRINT_REPORT, "Print"
    QUERY_RIS = protocol.QUERY_RIS, "Ask the RIS"
    SEND_ORU = protocol.SEND_ORU, "Send a report to the HIS"
    BURN_DISC = protocol.BURN_DISC, "Burn a disc"
    COLLECT_LOG = protocol.COLLECT_LOG, "Collect the log"
    UPDATE = protocol.UPDATE, "Update"


class CommandQuerySet(OfSitesQuerySet):
    """Commands by the sites of their agents."""


class AgentCommand(models.Model):
    """Something an agent is to do, at most once. agents.commands makes its changes of state."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="commands")
    type = models.CharField(max_length=20, choices=CommandKind)
    params = models.JSONField(default=dict)
    idempotency_key = models.CharField(max_length=100)
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    state = models.CharField(max_length=10, choices=CommandState, default=CommandState.QUEUED)
    attempts = models.PositiveIntegerField(default=0, help_text="How often it was sent")
    cancel_requested_at = models.DateTimeField(null=True)
    steps_done = models.BigIntegerField(default=0)
    steps_total = models.BigIntegerField(default=0)
    progress = models.CharField(max_length=300, blank=True)
    code = models.CharField(max_length=60, blank=True)
    message = models.TextField(blank=True)
    result = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    objects = CommandQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "idempotency_key"], name="command_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["agent", "id"],
                condition=Q(state__in=["queued", "sent", "accepted", "running"]),
                name="command_open",
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=["queued", "sent"]),
                name="command_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"command {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class AgentRelease(models.Model):
    """A program for agents, signed elsewhere; agents.releases makes and reads it.

    `envelope` is the signed manifest as it came; the rest of the columns are what it says.
    """

    seq = models.BigIntegerField(unique=True)
    version = models.CharField(max_length=40)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=16)
    expires_at = models.DateTimeField()
    envelope = models.TextField()
    published_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-seq"]

    def __str__(self) -> str:
        return f"{self.version} (release {self.seq})"

    @property
    def is_offered(self) -> bool:
        return self.withdrawn_at is None and self.expires_at > timezone.now()


class AgentRollout(models.Model):
    """Agents that are to take a release by themselves: of a site or all, some or a share."""

    release = models.ForeignKey(AgentRelease, on_delete=models.PROTECT, related_name="rollouts")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, null=True, blank=True, help_text="Empty: every site."
    )
    agents = models.ManyToManyField(
        Agent, blank=True, help_text="These alone. Empty: all agents of the site."
    )
    percent = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(100)],
        help_text="Share of these agents; raising it adds to those that had it.",
    )
    paused = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"roll-out {self.pk} of {self.release}"


class EventQuerySet(OfSitesQuerySet):
    """Events by the sites of their agents."""


class AgentEvent(models.Model):
    """What happened at an agent: its own events under its own id, and what the portal saw of it.

    `data` may name patients' files and bar codes: it goes to who sees the site, never to a log.
    """

    class Kind(models.TextChoices):
        CONNECTED = "connected", "Connected"
        DISCONNECTED = "disconnected", "Disconnected"
        SILENT = "silent", "Silent"
        BACK = "back", "Heard of again"
        UPLOAD_COMPLETE = protocol.UPLOAD_COMPLETE, "Upload complete"
        SCAN = protocol.SCAN, "Code read"
        PRINTER_STATE = protocol.PRINTER_STATE, "Printer"
        HL7 = protocol.HL7, "HL7 message"
        MPPS = protocol.MPPS, "Procedure step"
        UPDATE_DONE = protocol.UPDATE_DONE, "Updated"
        UPDATE_FAILED = protocol.UPDATE_FAILED, "Not updated"

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="events")
    event_id = models.CharField(max_length=64, null=True)  # noqa: DJ001 -- NULLs are not unique
    kind = models.CharField(max_length=20, choices=Kind)
    at = models.DateTimeField(default=timezone.now)
    received_at = models.DateTimeField(default=timezone.now, db_index=True)
    data = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "event_id"], name="agent_event_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class PairingQuerySet(OfSitesQuerySet):
    """Pairings by the sites of their agents."""

    def current(self) -> PairingQuerySet:
        return self.filter(ended_at=None)


class ScannerPairing(models.Model):
    """What a scanner reads goes to one browser session: the newest that took it.

    Only a digest of the session's key is kept.
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="pairings")
    scanner = models.CharField(max_length=60)
    session_digest = models.CharField(max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    paired_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    objects = PairingQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["agent", "scanner"],
                condition=Q(ended_at=None),
                name="scanner_paired_once",
            ),
            models.UniqueConstraint(
                fields=["session_digest"],
                condition=Q(ended_at=None),
                name="session_has_one_scanner",
            ),
        ]

    def __str__(self) -> str:
        return f"pairing {self.pk}"


# Models of this app that have a package of their own.
from agents.printing.models import PrintOrder, PrintToken  # noqa: E402, F401
