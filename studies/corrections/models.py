"""Corrections, where late images of a corrected study belong, and what was rejected."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from pacs.accounts.models import Site
from studies.managers import OfSiteQuerySet
from studies.models import Study


class CorrectionKind(models.TextChoices):
    FACTS = "facts", "Facts corrected"
    MERGE = "merge", "Patients merged"
    MOVE = "move", "Series moved"
    REJECT_IMAGES = "reject_images", "Images rejected"
    REJECT_STUDY = "reject_study", "Study rejected"
    ACCEPT = "accept", "Taken from quarantine"


class Reason(models.TextChoices):
    """Why; `CODES` has those of IHE RAD TF-3 4.66 (Image Object Change Management)."""

    TYPING = "typing", "Typing error"
    WORKLIST = "worklist", "Incorrect modality worklist entry"
    PATIENT = "patient", "Examined under another patient"
    HIS = "his", "The HIS says so"
    QUALITY = "quality", "Rejected for quality reasons"
    SAFETY = "safety", "Rejected for patient safety reasons"
    OTHER = "other", "Another reason, as noted"


CODES: dict[str, tuple[str, str]] = {
    Reason.WORKLIST: ("113038", "Incorrect Modality Worklist Entry"),
    Reason.QUALITY: ("113001", "Rejected for Quality Reasons"),
    Reason.SAFETY: ("113037", "Rejected for Patient Safety Reasons"),
}
"""Code values of coding scheme DCM (PS3.16 CID 7011)."""
REASONS_OF_REJECTION = (Reason.QUALITY, Reason.SAFETY, Reason.WORKLIST, Reason.OTHER)


class Correction(models.Model):
    """One decision at the correction desk, with everything that is needed to take it back.

    `changes` lists `{"m": model, "pk": id, "f": column, "o": old, "n": new}` in their order.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="corrections")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="corrections")
    kind = models.CharField(max_length=16, choices=CorrectionKind)
    reason = models.CharField(max_length=10, choices=Reason)
    note = models.CharField(max_length=500, blank=True)
    changes = models.JSONField(default=list)
    number_of_images = models.PositiveIntegerField(default=0)
    after_signing = models.BooleanField(
        default=False, help_text="The study had a signed report: its reader is told."
    )
    proposal = models.ForeignKey(
        "studies.CorrectionProposal", on_delete=models.PROTECT, null=True, related_name="+"
    )
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    undone_at = models.DateTimeField(null=True)

    studies = models.ManyToManyField(Study, related_name="touched_by", blank=True)
    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["site", "-id"], name="correction_site"),
        ]

    def __str__(self) -> str:
        return f"correction {self.pk}"


class ReceivedAs(models.Model):
    """Under which names images still come that belong to a corrected study.

    `series_instance_uid` "" stands for every series of the study.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    study_instance_uid = models.CharField(max_length=64)
    series_instance_uid = models.CharField(max_length=64, blank=True)
    patient_id = models.CharField(max_length=64, blank=True)
    issuer_of_patient_id = models.CharField(max_length=64, blank=True)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="received_as")
    correction = models.ForeignKey(Correction, on_delete=models.CASCADE, null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["site", "study_instance_uid"], name="received_as_uid"),
        ]

    def __str__(self) -> str:
        return f"images for study {self.study_id}"


class RejectedStudy(models.Model):
    """A study that only administrators see: rejected, emptied, or holding rejected images.

    `of`: the study whose images these were.
    """

    study = models.OneToOneField(
        Study, on_delete=models.CASCADE, primary_key=True, related_name="rejection"
    )
    of = models.ForeignKey(Study, on_delete=models.PROTECT, null=True, related_name="rejects")
    holds_images = models.BooleanField(default=False, help_text="Images rejected out of `of`")

    def __str__(self) -> str:
        return f"rejection of study {self.study_id}"
