"""Rows for a batch of prepared files: patient, study, series, instance, document, quarantine."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from pacs import audit, events
from pacs.accounts.models import Site
from studies import documents
from studies.dicom.charset import search_key
from studies.dicom.errors import Reason
from studies.models import (
    Arrival,
    Instance,
    Patient,
    QuarantinedFile,
    ReadingState,
    Series,
    Study,
)
from studies.orders import matching
from studies.services import arrival
from studies.services.facts import of_document

if TYPE_CHECKING:
    from studies.dicom.gate import Gate
    from studies.dicom.header import Facts
    from studies.services.ingest import Prepared, StoreResult


def clip(text: str, length: int) -> str:
    """Text that fits its column; the document and the file keep it whole."""
    return text.replace("\x00", "")[:length]


def day_of(text: str) -> date | None:
    """The date of a DA value (PS3.5 6.2), or None where it is none."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(text[:8], "%Y%m%d").date()  # noqa: DTZ007 - a DA has no zone
    return None


def quiet_delay(site: Site, modality: str) -> timedelta:
    """How long after its last image a study counts as quiet."""
    seconds = (
        settings.QUIET_SECONDS_OVERRIDE
        or site.quiet_seconds
        or settings.QUIET_SECONDS.get(modality, settings.QUIET_SECONDS[""])
    )
    return timedelta(seconds=seconds)


@dataclass(slots=True)
class StudyInBatch:
    """A study's row and what this batch brings to it."""

    row: Study
    is_new: bool
    stored: int = 0
    sizes: int = 0
    modalities: set[str] = field(default_factory=set)
    series: dict[str, Series] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)


class Batch:
    """Writes one batch of one site inside the caller's transaction."""

    def __init__(
        self,
        site_id: int,
        *,
        actor: Any,
        as_prior: bool,
        address: str = "",
        session_key: str = "",
    ) -> None:
        self.site = Site.objects.get(pk=site_id)
        self.actor = actor
        self.address = address
        self.session_key = session_key
        self.as_prior = as_prior
        self.now = timezone.now()
        self.studies: dict[str, StudyInBatch] = {}
        self.known: dict[str, Instance] = {}
        self.fresh: dict[str, Instance] = {}
        self.documents: list[documents.Document] = []
        self.sources: set[str] = set()

    def write(self, prepared: Sequence[Prepared]) -> list[StoreResult]:
        """Rows for every file, in order; results in the same order."""
        uids = [p.gate.sop_instance_uid for p in prepared if p.gate is not None]
        self.known = self._stored_already(uids)
        results = [self._one(file) for file in prepared]
        Instance.objects.bulk_create(self.fresh.values(), batch_size=100)
        documents.replace_many(self.documents)
        for study in self.studies.values():
            if study.stored:
                self._finish(study)
        return results

    def _stored_already(self, uids: list[str]) -> dict[str, Instance]:
        """Rows under these UIDs. Mostly there are none, which a look at the index alone tells."""
        there = Instance.objects.filter(site=self.site, sop_instance_uid__in=uids)
        found = list(there.values_list("pk", flat=True))
        if not found:
            return {}
        rows = Instance.objects.filter(pk__in=found).select_related("series")
        return {row.sop_instance_uid: row for row in rows}

    def _one(self, file: Prepared) -> StoreResult:
        from studies.services.ingest import StoreResult

        if file.reason is not None or file.gate is None or file.facts is None:
            return self._quarantine(file, file.reason or Reason.UNDECODABLE)
        uid = file.gate.sop_instance_uid
        known = self.known.get(uid) or self.fresh.get(uid)
        if known is not None:
            same = known.content_digest == file.gate.content_digest or (
                known.pk is not None and file.same_pixels_as == known.pk
            )
            if not same:
                reason = Reason.NOT_COMPARED if file.not_compared else Reason.CONFLICT
                return self._quarantine(file, reason)
            return StoreResult("duplicate", known, None, known.series.study_id)
        study = self._study(file, file.gate, file.facts)
        if not self._same_patient(study.row, file.facts):
            return self._quarantine(file, Reason.OTHER_PATIENT)
        instance = self._instance(study, file, file.gate, file.facts)
        return StoreResult("stored", instance, None, study.row.pk)

    def _quarantine(self, file: Prepared, reason: Reason) -> StoreResult:
        from studies.services.ingest import StoreResult

        row, created = QuarantinedFile.objects.get_or_create(
            site=self.site,
            file_sha256=file.file_sha256,
            reason=reason,
            defaults={
                "source": file.source,
                "archive_key": file.archive_key,
                "file_size": file.file_size,
                "sop_instance_uid": file.gate.sop_instance_uid if file.gate else "",
                "study_instance_uid": file.gate.study_instance_uid if file.gate else "",
            },
        )
        if created:
            audit.record(
                "instance.quarantined",
                actor=self.actor,
                site=self.site,
                outcome="refused",
                detail={"reason": str(reason), "source": file.source, "file": str(row.pk)},
                address=self.address,
                session_key=self.session_key,
            )
            events.publish("quarantine.changed", site=self.site.pk)
        else:
            QuarantinedFile.objects.filter(pk=row.pk).update(times_received=F("times_received") + 1)
        return StoreResult("quarantined", None, reason)

    @staticmethod
    def _same_patient(study: Study, facts: Facts) -> bool:
        """PatientID decides; two different issuers make two patients of one ID."""
        if study.patient_id != clip(facts.patient_id, 64):
            return False
        ours, theirs = study.issuer_of_patient_id, clip(facts.issuer_of_patient_id, 64)
        return not ours or not theirs or ours == theirs

    def _study(self, file: Prepared, gate: Gate, facts: Facts) -> StudyInBatch:
        uid = gate.study_instance_uid
        if uid not in self.studies:
            row = (
                Study.objects.select_for_update(of=("self",))
                .filter(site=self.site, study_instance_uid=uid)
                .first()
            )
            self.studies[uid] = (
                StudyInBatch(row, is_new=False) if row else self._new_study(uid, file, facts)
            )
        return self.studies[uid]

    def _new_study(self, uid: str, file: Prepared, facts: Facts) -> StudyInBatch:
        patient = self._patient(facts)
        row = Study(
            site=self.site,
            patient_ref=patient,
            study_instance_uid=uid,
            study_id=clip(facts.study_id, 64),
            study_date=clip(facts.study_date, 26),
            study_time=clip(facts.study_time, 28),
            study_day=day_of(facts.study_date),
            accession_number=clip(facts.accession_number, 64),
            study_description=clip(facts.study_description, 512),
            referring_physician_name=clip(facts.referring_physician_name, 324),
            institution_name=clip(facts.institution_name, 128),
            body_part_examined=clip(facts.body_part_examined, 64),
            patient_name=clip(facts.patient_name, 324),
            patient_name_ideographic=clip(facts.patient_name_ideographic, 324),
            patient_name_phonetic=clip(facts.patient_name_phonetic, 324),
            patient_id=clip(facts.patient_id, 64),
            issuer_of_patient_id=clip(facts.issuer_of_patient_id, 64),
            patient_birth_date=clip(facts.patient_birth_date, 8),
            patient_sex=clip(facts.patient_sex, 16),
            patient_age=clip(facts.patient_age, 4),
            reading_state=ReadingState.NOT_NEEDED if self.as_prior else ReadingState.UNREAD,
            arrival=Arrival.RECEIVING,
            received_at=self.now,
            last_received_at=self.now,
            quiet_at=self.now,
            **of_document(json.loads(file.document))[0],
        )
        row.search_text = clip(
            search_key(
                " ".join(
                    [
                        facts.patient_name.replace("^", " ").replace("=", " "),
                        facts.patient_name_ideographic,
                        facts.patient_name_phonetic,
                        facts.patient_id,
                        facts.accession_number,
                        facts.study_description,
                    ]
                )
            ),
            1200,
        )
        row.name_conflict = self._other_name(patient, facts)
        row.save(force_insert=True)
        return StudyInBatch(row, is_new=True)

    def _patient(self, facts: Facts) -> Patient:
        values = {
            "patient_name": clip(facts.patient_name, 324),
            "patient_name_ideographic": clip(facts.patient_name_ideographic, 324),
            "patient_birth_date": clip(facts.patient_birth_date, 8),
            "patient_sex": clip(facts.patient_sex, 16),
        }
        key = {
            "site": self.site,
            "patient_id": clip(facts.patient_id, 64),
            "issuer_of_patient_id": clip(facts.issuer_of_patient_id, 64),
        }
        if not key["patient_id"]:
            return Patient.objects.create(**key, **values)
        return Patient.objects.get_or_create(**key, defaults=values)[0]

    @staticmethod
    def _other_name(patient: Patient, facts: Facts) -> bool:
        ours, theirs = (
            search_key(name.replace("^", " ")).split()
            for name in (patient.patient_name, facts.patient_name)
        )
        return bool(ours and theirs and ours != theirs)

    def _series(self, study: StudyInBatch, file: Prepared, gate: Gate, facts: Facts) -> Series:
        uid = gate.series_instance_uid
        if uid in study.series:
            return study.series[uid]
        for known in Series.objects.filter(study=study.row, series_instance_uid=uid):
            study.series[uid] = known
            return known
        series, is_new = Series.objects.get_or_create(
            study=study.row,
            series_instance_uid=uid,
            defaults={
                "modality": clip(facts.modality, 16),
                "series_number": _int32(facts.series_number),
                "series_description": clip(facts.series_description, 256),
                "body_part_examined": clip(facts.body_part_examined, 64),
                "laterality": clip(facts.laterality, 16),
                "protocol_name": clip(facts.protocol_name, 256),
                "series_date": clip(facts.series_date, 26),
                "series_time": clip(facts.series_time, 28),
                **of_document(json.loads(file.document))[1],
            },
        )
        study.series[uid] = series
        study.row.number_of_series += is_new
        return series

    def _instance(self, study: StudyInBatch, file: Prepared, gate: Gate, facts: Facts) -> Instance:
        series = self._series(study, file, gate, facts)
        instance = Instance(
            site=self.site,
            series=series,
            sop_instance_uid=gate.sop_instance_uid,
            sop_class_uid=gate.sop_class_uid,
            transfer_syntax_uid=gate.transfer_syntax_uid,
            instance_number=_int32(facts.instance_number),
            rows=facts.rows,
            columns=facts.columns,
            number_of_frames=file.number_of_frames,
            bits_allocated=facts.bits_allocated,
            photometric_interpretation=clip(facts.photometric_interpretation, 32),
            archive_key=file.archive_key,
            file_size=file.file_size,
            file_sha256=file.file_sha256,
            content_digest=gate.content_digest,
            dataset_digest=gate.dataset_digest,
            frame_index=file.frame_index,
            source=file.source,
            received_at=self.now,
        )
        self.fresh[gate.sop_instance_uid] = instance
        self.documents.append(
            documents.Document(
                site_id=self.site.pk,
                study_instance_uid=gate.study_instance_uid,
                series_instance_uid=gate.series_instance_uid,
                sop_instance_uid=gate.sop_instance_uid,
                instance_number=instance.instance_number,
                body=file.document,
            )
        )
        study.stored += 1
        study.added[series.series_instance_uid] = study.added.get(series.series_instance_uid, 0) + 1
        study.modalities.add(facts.modality)
        if not study.row.name_conflict and facts.patient_name:
            study.row.name_conflict = self._other_name(
                Patient(patient_name=study.row.patient_name), facts
            )
        self.sources.add(file.source)
        return instance

    def _finish(self, study: StudyInBatch) -> None:
        """Counts, arrival, audit and the event of one study."""
        for uid, count in study.added.items():
            Series.objects.filter(pk=study.series[uid].pk).update(
                number_of_instances=F("number_of_instances") + count,
                metadata_version=F("metadata_version") + 1,
            )
        row = study.row
        was_over = row.arrival != Arrival.RECEIVING
        was_complete = row.arrival == Arrival.COMPLETE
        row.number_of_instances += study.stored
        found = set(row.modality_list) | {m for m in study.modalities if m}
        row.modalities = clip("/".join(sorted(found)), 64)
        row.last_received_at = self.now
        if was_over and not self.as_prior:
            row.late_instances += study.stored
        row.arrival = Arrival.RECEIVING
        row.quiet_at = self.now + quiet_delay(self.site, next(iter(sorted(study.modalities)), ""))
        if row.expected_instances and row.number_of_instances >= row.expected_instances:
            row.arrival = Arrival.COMPLETE
        row.save(
            update_fields=[
                "number_of_instances",
                "number_of_series",
                "modalities",
                "last_received_at",
                "late_instances",
                "arrival",
                "quiet_at",
                "name_conflict",
            ]
        )
        audit.record(
            "instances.received",
            actor=self.actor,
            study=row,
            detail={"count": study.stored, "sources": sorted(self.sources)},
            address=self.address,
            session_key=self.session_key,
        )
        events.publish(
            "study.received" if study.is_new else "study.changed",
            site=self.site.pk,
            study=row.pk,
            images=row.number_of_instances,
        )
        if row.arrival == Arrival.COMPLETE and not was_complete:
            arrival.note_complete(row, self.actor)
        if study.is_new:
            matching.study_arrived(row)


def _int32(value: int | None) -> int | None:
    return value if value is not None and -(2**31) <= value < 2**31 else None
