"""Rules, holds, proposals with the studies in them, what was deleted, and how much a site uses."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import Site
from studies.managers import OfSiteQuerySet, OfStudyQuerySet
from studies.models import Study

YEARS = (MinValueValidator(1), MaxValueValidator(200))


class RetentionRule(models.Model):
    """How long a site keeps images. A study without a rule for each of its modalities stays."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="retention_rules")
    modality = models.CharField(
        max_length=16, blank=True, help_text="CT. Empty: every modality without a rule of its own."
    )
    years = models.PositiveSmallIntegerField(
        validators=YEARS, help_text="Kept so long, from the study's date or, without one, receipt."
    )
    minor_age = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=YEARS,
        help_text="Patients younger than this at their study are kept until this age at least.",
    )
    minor_years = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=(MaxValueValidator(200),),
        help_text="And so many years more.",
    )
    takes_unneeded = models.BooleanField(
        "also studies that need no reading",
        default=False,
        help_text="They have no report and are kept otherwise.",
    )
    takes_unsafe = models.BooleanField(
        "also studies that are not safe in the backup", default=False
    )
    removes_backups = models.BooleanField(
        "copies in the backup are to go, too",
        default=False,
        help_text="The portal cannot delete them: it lists them for an administrator.",
    )
    is_enabled = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["site", "modality"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "modality"], name="retention_rule_once"),
        ]

    def __str__(self) -> str:
        words = f"{self.modality or 'Other modalities'}: {self.years} years"
        if self.minor_age is not None:
            words += f", minors until {self.minor_age} and {self.minor_years or 0} years more"
        return words


class LegalHold(models.Model):
    """While it is set nothing of the study is deleted, whatever the rules and people say."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="holds")
    why = models.CharField(max_length=500)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField(default=timezone.now)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True)
    lifted_why = models.CharField(max_length=500, blank=True)

    objects = OfStudyQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["study"], condition=Q(lifted_at=None), name="hold_once"
            ),
        ]

    def __str__(self) -> str:
        return f"hold {self.pk}"


class ProposalState(models.TextChoices):
    PROPOSED = "proposed", "Waits for a second person"
    GRACE = "grace", "Approved, in grace"
    REVOKED = "revoked", "Revoked"
    DONE = "done", "Done"


class DeletionProposal(models.Model):
    """What one person proposes to delete, another approves, and anybody with the right revokes."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="deletion_proposals")
    state = models.CharField(max_length=8, choices=ProposalState, default=ProposalState.PROPOSED)
    rules = models.JSONField(default=list, help_text="The rules as they were then, in words")
    number_of_studies = models.PositiveIntegerField()
    number_of_images = models.PositiveIntegerField()
    number_of_bytes = models.PositiveBigIntegerField()
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    proposed_at = models.DateTimeField(default=timezone.now)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    approved_at = models.DateTimeField(null=True)
    deletes_at = models.DateTimeField(null=True, help_text="The grace ends")
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)
    revoked_why = models.CharField(max_length=500, blank=True)

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=models.F("proposed_by")),
                name="two_people_decide",
            ),
        ]

    def __str__(self) -> str:
        return f"proposal {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state in (ProposalState.PROPOSED, ProposalState.GRACE)


class DeletionState(models.TextChoices):
    PROPOSED = "proposed", "Proposed"
    GRACE = "grace", "In grace"
    STOPPED = "stopped", "Stopped"
    ERASING = "erasing", "Being erased"
    DONE = "done", "Deleted"


STOPPABLE = (DeletionState.PROPOSED.value, DeletionState.GRACE.value)


class StudyDeletion(models.Model):
    """One study of a proposal. What it was like when it was proposed: of anything else nobody has
    decided."""

    proposal = models.ForeignKey(
        DeletionProposal, on_delete=models.PROTECT, related_name="deletions"
    )
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="deletions")
    state = models.CharField(max_length=8, choices=DeletionState, default=DeletionState.PROPOSED)
    why = models.CharField(max_length=300, blank=True, help_text="Why it was stopped")
    number_of_images = models.PositiveIntegerField()
    number_of_bytes = models.PositiveBigIntegerField()
    last_received_at = models.DateTimeField()
    correction_version = models.PositiveIntegerField()
    removes_backups = models.BooleanField(default=False)
    marked_at = models.DateTimeField(null=True, help_text="When its images left the index")
    done_at = models.DateTimeField(null=True)

    objects = OfStudyQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["study"],
                condition=Q(state__in=["proposed", "grace", "erasing"]),
                name="deletion_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["id"],
                condition=Q(state__in=["grace", "erasing"]),
                name="deletion_under_way",
            ),
        ]

    def __str__(self) -> str:
        return f"deletion {self.pk}"


class RemoteCopy(models.TextChoices):
    """What is to become of the copy at the backup storage."""

    NONE = "", "There was none"
    KEPT = "kept", "Kept"
    LISTED = "listed", "An administrator is to remove it"
    GONE = "gone", "Removed"


class Tombstone(models.Model):
    """An image that was deleted: what has still to be erased, and that it is not taken again."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    deletion = models.ForeignKey(StudyDeletion, on_delete=models.PROTECT, related_name="tombstones")
    sop_instance_uid = models.CharField(max_length=64)
    instance_id = models.BigIntegerField(help_text="The image's former id, which names its caches")
    archive_key = models.CharField(max_length=160)
    file_size = models.PositiveBigIntegerField()
    remote_name = models.CharField(max_length=240, blank=True)
    remote = models.CharField(max_length=6, choices=RemoteCopy, default=RemoteCopy.NONE, blank=True)
    looked_at = models.DateTimeField(null=True, help_text="When the backup was last asked for it")
    erased_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True, help_text="From then on it is taken again")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["site", "sop_instance_uid"],
                condition=Q(released_at=None),
                name="tombstone_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["deletion", "id"],
                condition=Q(erased_at=None),
                name="tombstone_unerased",
            ),
            models.Index(
                fields=["looked_at", "id"], condition=Q(remote="listed"), name="tombstone_listed"
            ),
        ]

    def __str__(self) -> str:
        return f"tombstone {self.pk}"


class SiteUsage(models.Model):
    """What the images of a site take, and what they may before somebody is told."""

    site = models.OneToOneField(
        Site, on_delete=models.PROTECT, primary_key=True, related_name="usage"
    )
    quota_bytes = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="Empty: no warnings. Images are taken in any case.",
    )
    used_bytes = models.BigIntegerField(default=0, editable=False)
    counted_up_to = models.BigIntegerField(
        default=0, editable=False, help_text="Images up to this id are in used_bytes"
    )
    counted_at = models.DateTimeField(null=True, editable=False)
    told_percent = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="The highest threshold that somebody was told of"
    )

    class Meta:
        verbose_name = "storage quota"
        verbose_name_plural = "storage quotas"

    def __str__(self) -> str:
        return f"usage of site {self.site_id}"
