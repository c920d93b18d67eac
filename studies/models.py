"""The query index: patients, studies, series, instances, where they come from and who sees them.

Text of DICOM elements is kept as sent (stripped); `*_date` fields with type date are derived.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from pacs.accounts.models import Site
from pacs.crypto import EncryptedTextField
from studies.dicom.charset import display_name
from studies.fields import FoldedNameField, JSONTextField
from studies.managers import QuarantineQuerySet, StudyQuerySet
from studies.searchindex import NO_DAY


class Patient(models.Model):
    """One PatientID of one issuer at one site (PS3.3 C.7.1.1)."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="patients")
    patient_id = models.CharField(max_length=64, blank=True)
    issuer_of_patient_id = models.CharField(max_length=64, blank=True)
    patient_name = models.CharField(max_length=324, blank=True)
    patient_name_ideographic = models.CharField(max_length=324, blank=True)
    patient_birth_date = models.CharField(max_length=8, blank=True)
    patient_sex = models.CharField(max_length=16, blank=True)
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, editable=False, related_name="merged"
    )

    class Meta:
        constraints: ClassVar = [
            # Patients without an ID are one row a study: they are never taken for one another.
            models.UniqueConstraint(
                fields=["site", "issuer_of_patient_id", "patient_id"],
                condition=~Q(patient_id=""),
                name="patient_id_once_per_issuer",
            ),
        ]

    def __str__(self) -> str:
        return f"patient {self.pk}"


class Arrival(models.TextChoices):
    RECEIVING = "receiving", "Receiving"
    QUIET = "quiet", "Quiet"
    COMPLETE = "complete", "Complete"


class ReadingState(models.TextChoices):
    UNREAD = "unread", "Unread"
    CLAIMED = "claimed", "Reading"
    DRAFT = "draft", "Draft"
    PRELIMINARY = "preliminary", "Preliminary"
    FINAL = "final", "Final"
    ADDENDED = "addended", "Addended"
    NOT_NEEDED = "not_needed", "No reading needed"


class Priority(models.IntegerChoices):
    """Ascending order is the worklist's order."""

    STAT = 0, "STAT"
    URGENT = 1, "Urgent"
    ROUTINE = 2, "Routine"


class Assignment(models.TextChoices):
    """What rules have still to do about a study: `due` is the queue of their sweep."""

    OPEN = "", "Not yet"
    DUE = "due", "Due"
    DONE = "done", "Looked at by rules"
    BY_HAND = "hand", "Settled by a person"


class Study(models.Model):
    """A study at a site, with what the worklist shows of its patient and series."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="studies")
    patient_ref = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="studies")
    study_instance_uid = models.CharField(max_length=64)
    study_id = models.CharField(max_length=64, blank=True)
    study_date = models.CharField(max_length=26, blank=True)
    study_time = models.CharField(max_length=28, blank=True)
    study_day = models.DateField(null=True)
    accession_number = models.CharField(max_length=64, blank=True)
    study_description = models.CharField(max_length=512, blank=True)
    referring_physician_name = models.CharField(max_length=324, blank=True)
    institution_name = models.CharField(max_length=128, blank=True)
    modalities = models.CharField(max_length=64, blank=True, help_text='"CT/SR"')
    body_part_examined = models.CharField(max_length=64, blank=True)

    patient_name = models.CharField(max_length=324, blank=True)
    patient_name_ideographic = models.CharField(max_length=324, blank=True)
    patient_name_phonetic = models.CharField(max_length=324, blank=True)
    patient_id = models.CharField(max_length=64, blank=True)
    issuer_of_patient_id = models.CharField(max_length=64, blank=True)
    patient_birth_date = models.CharField(max_length=8, blank=True)
    patient_sex = models.CharField(max_length=16, blank=True)
    patient_age = models.CharField(max_length=4, blank=True)
    name_conflict = models.BooleanField(
        default=False, help_text="The same PatientID came with another name."
    )
    search_text = models.CharField(
        max_length=1200, blank=True, help_text="Name, ID, accession and description, folded"
    )
    name_key = FoldedNameField(
        ("patient_name", "patient_name_ideographic", "patient_name_phonetic"),
        help_text="PatientName for matching",
    )
    referring_key = FoldedNameField(
        ("referring_physician_name",), help_text="ReferringPhysicianName for matching"
    )
    timezone_offset_from_utc = models.CharField(max_length=16, blank=True)
    sort_day = models.GeneratedField(
        expression=Coalesce(F("study_day"), Value(NO_DAY)),
        output_field=models.DateField(),
        db_persist=True,
        help_text="The day that lists are sorted by; NO_DAY where there is none",
    )

    number_of_series = models.PositiveIntegerField(default=0)
    number_of_instances = models.PositiveIntegerField(default=0)
    expected_instances = models.PositiveIntegerField(null=True, blank=True)
    late_instances = models.PositiveIntegerField(
        default=0, help_text="Images that came after the study was quiet or complete"
    )

    arrival = models.CharField(max_length=10, choices=Arrival, default=Arrival.RECEIVING)
    reading_state = models.CharField(
        max_length=12, choices=ReadingState, default=ReadingState.UNREAD
    )
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.ROUTINE)
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Who has claimed it and writes its report",
    )
    claimed_at = models.DateTimeField(null=True)
    reader_seen_at = models.DateTimeField(
        null=True, help_text="When the reader last worked on it: idle claims are released"
    )
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    assignment = models.CharField(
        max_length=4, choices=Assignment, default=Assignment.OPEN, blank=True, editable=False
    )
    received_at = models.DateTimeField(default=timezone.now)
    last_received_at = models.DateTimeField(default=timezone.now)
    quiet_at = models.DateTimeField(default=timezone.now)

    corrected = models.CharField(
        max_length=400,
        blank=True,
        editable=False,
        help_text="Keywords of the attributes that are served as this row says, with commas",
    )
    corrected_at = models.DateTimeField(null=True, editable=False)
    correction_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Grows with every correction"
    )

    objects = StudyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "studies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "study_instance_uid"], name="study_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["site", "reading_state", "priority", "received_at", "id"],
                name="study_work",
            ),
            models.Index(
                fields=["reading_state", "priority", "received_at", "id"], name="study_work_all"
            ),
            # A person's own lists: few of many studies.
            models.Index(
                fields=["assigned_to", "reading_state", "priority", "received_at", "id"],
                condition=Q(assigned_to__isnull=False),
                name="study_assigned",
            ),
            models.Index(
                fields=["reader", "reading_state", "priority", "received_at", "id"],
                condition=Q(reader__isnull=False),
                name="study_reader",
            ),
            models.Index(
                fields=["site", "priority", "received_at", "id"],
                condition=Q(assignment="due"),
                name="study_assignment",
            ),
            models.Index(fields=["received_at", "id"], name="study_received"),
            models.Index(fields=["arrival", "id"], name="study_arrival"),
            models.Index(fields=["study_day", "id"], name="study_day"),
            models.Index(fields=["patient_id", "id"], name="study_patient_id"),
            models.Index(fields=["accession_number", "id"], name="study_accession"),
            models.Index(fields=["study_instance_uid"], name="study_uid"),
            # In the order of searches. The first is a whole list of names: nothing else is read
            # while names are compared.
            models.Index(fields=["site", "sort_day", "id", "name_key"], name="study_by_day"),
            models.Index(
                fields=["site", "patient_id", "sort_day", "id"],
                name="study_by_patient",
                opclasses=["int8_ops", "varchar_pattern_ops", "date_ops", "int8_ops"],
            ),
            models.Index(
                fields=["site", "accession_number", "sort_day", "id"],
                name="study_by_accession",
                opclasses=["int8_ops", "varchar_pattern_ops", "date_ops", "int8_ops"],
            ),
            models.Index(fields=["site", "study_id", "sort_day", "id"], name="study_by_study_id"),
            models.Index(
                fields=["site", "patient_birth_date", "sort_day", "id"], name="study_by_birth_date"
            ),
            models.Index(
                fields=["quiet_at"], condition=Q(arrival="receiving"), name="study_receiving"
            ),
        ]

    def __str__(self) -> str:
        return f"study {self.pk}"

    def save(self, *args: Any, **options: Any) -> None:
        """Saves the folded names with the names."""
        fields = options.get("update_fields")
        if fields is not None:
            keys = {
                key
                for key in ("name_key", "referring_key")
                if not set(fields).isdisjoint(Study._meta.get_field(key).groups)  # type: ignore[union-attr]
            }
            options["update_fields"] = {*fields, *keys}
        super().save(*args, **options)

    @property
    def display_name(self) -> str:
        """`DOE, Jane`; "No name" where the images carry none."""
        return display_name(self.patient_name) or "No name"

    @property
    def modality_list(self) -> list[str]:
        return self.modalities.split("/") if self.modalities else []


class StudyModality(models.Model):
    """A modality of a study, in the order of searches. Kept by the triggers of searchindex."""

    study = models.ForeignKey(
        Study, on_delete=models.DO_NOTHING, db_constraint=False, related_name="modality_rows"
    )
    site = models.ForeignKey(
        Site, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    modality = models.CharField(max_length=64)
    sort_day = models.DateField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["site", "modality", "sort_day", "study"], name="modality_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.modality} of study {self.study_id}"


class StudyDayCount(models.Model):
    """How many studies a site has of a day: the sum of its rows. Kept by triggers.

    A deep page is found by adding days up. On PostgreSQL every change is a row of its own, so that
    two batches never wait for each other; `searchindex.fold_counts` adds them up.
    """

    site = models.ForeignKey(
        Site, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    sort_day = models.DateField()
    number = models.IntegerField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["site", "sort_day"], name="day_count")]

    def __str__(self) -> str:
        return f"{self.number} studies of {self.sort_day}"


class Series(models.Model):
    """A series; `metadata_version` changes with every instance and is the cache's key."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="series")
    series_instance_uid = models.CharField(max_length=64)
    modality = models.CharField(max_length=16, blank=True)
    series_number = models.IntegerField(null=True)
    series_description = models.CharField(max_length=256, blank=True)
    body_part_examined = models.CharField(max_length=64, blank=True)
    laterality = models.CharField(max_length=16, blank=True)
    protocol_name = models.CharField(max_length=256, blank=True)
    series_date = models.CharField(max_length=26, blank=True)
    series_time = models.CharField(max_length=28, blank=True)
    performed_procedure_step_start_date = models.CharField(max_length=26, blank=True)
    performed_procedure_step_start_time = models.CharField(max_length=28, blank=True)
    scheduled_procedure_step_ids = models.CharField(
        max_length=330, blank=True, help_text="Of Request Attributes Sequence, with backslashes"
    )
    requested_procedure_ids = models.CharField(
        max_length=330, blank=True, help_text="Of the same items, in the same order"
    )
    number_of_instances = models.PositiveIntegerField(default=0)
    metadata_version = models.PositiveIntegerField(default=0)
    received_in = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="StudyInstanceUID that its images came with, where it was moved",
    )

    class Meta:
        verbose_name_plural = "series"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "series_instance_uid"], name="series_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["series_instance_uid"], name="series_uid")]

    def __str__(self) -> str:
        return f"series {self.pk}"


class Instance(models.Model):
    """One stored SOP instance: where its bytes are, what they are, where its frames begin."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="instances")
    sop_instance_uid = models.CharField(max_length=64)
    sop_class_uid = models.CharField(max_length=64)
    transfer_syntax_uid = models.CharField(max_length=64)
    instance_number = models.IntegerField(null=True)
    rows = models.PositiveIntegerField(null=True)
    columns = models.PositiveIntegerField(null=True)
    number_of_frames = models.PositiveIntegerField(default=0)
    bits_allocated = models.PositiveIntegerField(null=True)
    photometric_interpretation = models.CharField(max_length=32, blank=True)

    archive_key = models.CharField(max_length=160)
    file_size = models.PositiveBigIntegerField()
    file_sha256 = models.CharField(max_length=64, help_text="Of the bytes as received: custody")
    content_digest = models.CharField(max_length=64, help_text="Of the canonical data set")
    dataset_digest = models.CharField(max_length=64, help_text="The same without pixel data")
    frame_index = models.TextField(blank=True, help_text="JSON of studies.dicom.frames")
    source = models.CharField(max_length=80, help_text='"orthanc:3", "upload:token:7"')
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "sop_instance_uid"], name="instance_once"),
        ]

    def __str__(self) -> str:
        return f"instance {self.pk}"


class MetadataDocument(models.Model):
    """The DICOM JSON of an instance (PS3.18 F): the default home of metadata documents."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    sop_instance_uid = models.CharField(max_length=64)
    series_instance_uid = models.CharField(max_length=64)
    study_instance_uid = models.CharField(max_length=64)
    instance_number = models.IntegerField(null=True)
    body = JSONTextField()
    overlay = JSONTextField(
        null=True, help_text="Elements that are corrected, by tag; null for one that is left out"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "sop_instance_uid"], name="document_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["site", "study_instance_uid", "series_instance_uid"],
                name="document_series",
            ),
        ]

    def __str__(self) -> str:
        return f"document {self.pk}"


class OrthancServer(models.Model):
    """An Orthanc that the portal follows, with the cursor into its /changes."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="orthanc_servers")
    slug = models.SlugField(max_length=40, unique=True, help_text="Named by the plugin's hints")
    name = models.CharField(max_length=120)
    base_url = models.URLField(max_length=300)
    username = models.CharField(max_length=80, blank=True)
    password = EncryptedTextField(blank=True)
    webhook_secret = EncryptedTextField(blank=True)
    tls_ca = models.TextField("certificate authority", blank=True)
    is_enabled = models.BooleanField(default=True)

    cursor = models.BigIntegerField(default=0, editable=False)
    cursor_mark = models.CharField(
        max_length=160,
        blank=True,
        editable=False,
        help_text="The change at the cursor: another one there means that Orthanc was reset",
    )
    prior_until = models.BigIntegerField(
        null=True,
        editable=False,
        help_text="Changes up to this number were there before the portal: priors",
    )
    lease_token = models.BigIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    hint_pending = models.BooleanField(default=False, editable=False)
    hinted_at = models.DateTimeField(null=True, editable=False)
    next_attempt_at = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    last_contact_at = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=200, blank=True, editable=False)
    remote_last = models.BigIntegerField(default=0, editable=False)
    version = models.CharField(max_length=40, blank=True, editable=False)
    looked_at = models.DateTimeField(null=True, editable=False)
    looked_up_to = models.BigIntegerField(
        default=0,
        editable=False,
        help_text="Series up to this id were compared with what it holds in this turn",
    )

    class Meta:
        verbose_name = "Orthanc server"
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def lag(self) -> int:
        """Changes at Orthanc that are not yet followed."""
        return max(0, self.remote_last - self.cursor)


class StudyGrant(models.Model):
    """Shows one study to one user beyond membership."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="grants")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="study_grants"
    )
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "user"], name="grant_once"),
        ]

    def __str__(self) -> str:
        return f"study {self.study_id} to {self.user}"


class Settled(models.TextChoices):
    """What became of a quarantined file."""

    STORED = "stored", "Stored"
    ACCEPTED = "accepted", "Accepted as a correction"
    DISCARDED = "discarded", "Discarded"
    ERASED = "erased", "Discarded and erased"


class QuarantinedFile(models.Model):
    """A file that the one door would not take, kept with its reason until someone decides."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="quarantined_files")
    source = models.CharField(max_length=80)
    reason = models.CharField(max_length=40)
    archive_key = models.CharField(max_length=160)
    file_size = models.PositiveBigIntegerField()
    file_sha256 = models.CharField(max_length=64, validators=[RegexValidator(r"^[0-9a-f]{64}$")])
    sop_instance_uid = models.CharField(max_length=64, blank=True)
    study_instance_uid = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    times_received = models.PositiveIntegerField(default=1)
    is_open = models.BooleanField(default=True)
    settled_as = models.CharField(max_length=10, blank=True, choices=Settled, editable=False)
    settled_at = models.DateTimeField(null=True, editable=False)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
    )
    settled_why = models.CharField(max_length=500, blank=True, editable=False)
    tell_asked_at = models.DateTimeField(
        null=True, editable=False, help_text="When somebody asked that its site be told"
    )
    told_at = models.DateTimeField(null=True, editable=False, help_text="When its site was told")

    objects = QuarantineQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-received_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["site", "file_sha256", "reason"], name="quarantine_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.id}"

    @property
    def words(self) -> str:
        """The reason in plain words."""
        from studies.dicom.errors import WORDS, Reason

        return WORDS[Reason(self.reason)] if self.reason in set(Reason) else self.reason


# Models of this app that have a package of their own.
from studies.annotations.models import KeyImage, Measurement  # noqa: E402, F401
from studies.appearance.models import WorklistAppearance  # noqa: E402, F401
from studies.backup.models import (  # noqa: E402, F401
    BackupHealth,
    BackupKey,
    BackupState,
    DatabaseBackup,
)
from studies.corrections.models import Correction, ReceivedAs, RejectedStudy  # noqa: E402, F401
from studies.displays.models import DisplayCheck  # noqa: E402, F401
from studies.documents.models import DocumentChange, DocumentMirror  # noqa: E402, F401
from studies.hanging.models import HangingProtocol  # noqa: E402, F401
from studies.openings.models import Opening  # noqa: E402, F401
from studies.orders.models import CorrectionProposal, Order  # noqa: E402, F401
from studies.orthanc.models import GoneAtOrthanc  # noqa: E402, F401
from studies.preferences.models import OwnWindow, ViewerPreferences  # noqa: E402, F401
from studies.reading.models import AssignmentRule, StudyNote, Turnaround  # noqa: E402, F401
from studies.retention.models import (  # noqa: E402, F401
    DeletionProposal,
    LegalHold,
    RetentionRule,
    SiteUsage,
    StudyDeletion,
    Tombstone,
)
from studies.saved.models import SavedFilter  # noqa: E402, F401
from studies.sending.models import Destination, Send, SendItem  # noqa: E402, F401
