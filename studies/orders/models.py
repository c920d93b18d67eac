"""Orders of the RIS, and corrections that the HIS proposes."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from pacs.accounts.models import Site
from studies.managers import OfSiteQuerySet
from studies.models import Patient, Priority, Study


def new_study_instance_uid() -> str:
    """A UID of a UUID (PS3.5 B.2): no registry is needed."""
    return f"2.25.{uuid.uuid4().int}"


class OrderStatus(models.TextChoices):
    SCHEDULED = "scheduled", "Scheduled"
    IN_PROGRESS = "in_progress", "In progress"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"


class MatchProblem(models.TextChoices):
    """Why an order has no study although one carries its accession number."""

    NONE = "", "None"
    PATIENT = "patient", "The study is another patient's"
    BIRTH_DATE = "birth_date", "The birth date differs"
    BIRTH_DATE_MISSING = "birth_date_missing", "There is no birth date to compare"
    SEVERAL_STUDIES = "several_studies", "Several studies fit"
    SEVERAL_ORDERS = "several_orders", "Several orders fit the study"
    TAKEN_AWAY = "taken_away", "A person took the study away"


class Order(models.Model):
    """One imaging service request (PS3.3 C.4.11, C.4.12) at a site.

    `seq` is the number of the site's event of the last change: who has read up to one number
    finds what changed since under greater ones.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="orders")
    accession_number = models.CharField(max_length=16, blank=True)
    issuer_of_accession_number = models.CharField(max_length=64, blank=True)
    placer_order_number = models.CharField(max_length=64, blank=True)
    filler_order_number = models.CharField(max_length=64, blank=True)

    patient_id = models.CharField(max_length=64)
    issuer_of_patient_id = models.CharField(max_length=64, blank=True)
    patient_name = models.CharField(max_length=324, blank=True)
    patient_birth_date = models.CharField(max_length=8, blank=True)
    patient_sex = models.CharField(max_length=16, blank=True)

    requested_procedure_id = models.CharField(max_length=16, blank=True)
    requested_procedure_code = models.CharField(max_length=16, blank=True)
    requested_procedure_scheme = models.CharField(max_length=16, blank=True)
    requested_procedure_description = models.CharField(max_length=64, blank=True)
    scheduled_procedure_step_id = models.CharField(max_length=16, blank=True)
    modality = models.CharField(max_length=16, blank=True)
    scheduled_station_ae_title = models.CharField(max_length=16, blank=True)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.ROUTINE)
    referring_physician_name = models.CharField(max_length=324, blank=True)
    reason = models.TextField(blank=True, help_text="Reason and clinical information")
    study_instance_uid = models.CharField(
        max_length=64, default=new_study_instance_uid, help_text="Issued for the modality"
    )
    expected_instances = models.PositiveIntegerField(null=True, blank=True)
    status = models.CharField(max_length=12, choices=OrderStatus, default=OrderStatus.SCHEDULED)

    study = models.ForeignKey(
        Study, on_delete=models.PROTECT, null=True, blank=True, related_name="orders"
    )
    linked_at = models.DateTimeField(null=True, editable=False)
    match_problem = models.CharField(
        max_length=20, choices=MatchProblem, blank=True, default="", editable=False
    )
    source = models.CharField(max_length=160, blank=True, editable=False)
    seq = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["site", "issuer_of_accession_number", "accession_number"],
                condition=~Q(accession_number=""),
                name="accession_once_per_issuer",
            ),
            models.UniqueConstraint(
                fields=["site", "study_instance_uid"], name="order_study_uid_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["site", "accession_number"], name="order_accession"),
            models.Index(fields=["site", "placer_order_number"], name="order_placer"),
            models.Index(fields=["site", "patient_id"], name="order_patient"),
            models.Index(fields=["site", "seq"], name="order_seq"),
            models.Index(
                fields=["site", "id"],
                condition=Q(study=None) & ~Q(status="cancelled"),
                name="order_unmatched",
            ),
        ]

    def __str__(self) -> str:
        return f"order {self.pk}"


class ProposalKind(models.TextChoices):
    UPDATE = "update", "Change the patient's facts"
    MERGE = "merge", "Merge two patients"


class ProposalState(models.TextChoices):
    OPEN = "open", "Open"
    ACCEPTED = "accepted", "Accepted"
    DISMISSED = "dismissed", "Dismissed"


class CorrectionProposal(models.Model):
    """What the HIS says of a patient (ADT A08, A40) that differs from what is here.

    Nothing changes by itself: a person at the correction desk decides. `facts` holds the columns
    of Patient as the HIS has them; of a merge, `prior_patient_id` goes into `patient_id`.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="correction_proposals")
    kind = models.CharField(max_length=8, choices=ProposalKind)
    patient_ref = models.ForeignKey(
        Patient, on_delete=models.SET_NULL, null=True, related_name="correction_proposals"
    )
    patient_id = models.CharField(max_length=64)
    issuer_of_patient_id = models.CharField(max_length=64, blank=True)
    prior_patient_id = models.CharField(max_length=64, blank=True)
    prior_issuer_of_patient_id = models.CharField(max_length=64, blank=True)
    facts = models.JSONField(default=dict)
    source = models.CharField(max_length=160)
    state = models.CharField(
        max_length=10, choices=ProposalState, default=ProposalState.OPEN, db_index=True
    )
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"proposal {self.pk}"
