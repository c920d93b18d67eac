"""Rows for a batch of prepared files: patient, study, series, instance, document, quarantine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from pacs import audit, events, statements
from studies import documents
from studies.backup import enrolment
from studies.corrections.attributes import OF_PATIENT
from studies.corrections.models import ReceivedAs
from studies.corrections.overlays import joined, overlay_of
from studies.dicom.charset import search_key
from studies.dicom.errors import Reason
from studies.models import (
    Arrival,
    Instance,
    Patient,
    QuarantinedFile,
    ReadingState,
    Series,
    Settled,
    Study,
)
from studies.orders import matching
from studies.retention import tombstones
from studies.services import arrival, known
from studies.services.columns import clip, day_of, search_text
from studies.services.facts import of_document

if TYPE_CHECKING:
    from studies.dicom.gate import Gate
    from studies.dicom.header import Facts
    from studies.dicom.overlay import Overlay
    from studies.services.ingest import Prepared, StoreResult

INSTANCE = (
    "site_id",
    "series_id",
    "sop_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "instance_number",
    "rows",
    "columns",
    "number_of_frames",
    "bits_allocated",
    "photometric_interpretation",
    "archive_key",
    "file_size",
    "file_sha256",
    "content_digest",
    "dataset_digest",
    "frame_index",
    "source",
    "received_at",
)
KEY = INSTANCE.index("archive_key")  # then size and SHA-256
STUDY = (
    "number_of_instances",
    "number_of_series",
    "modalities",
    "last_received_at",
    "late_instances",
    "arrival",
    "quiet_at",
    "name_conflict",
)

OWN_REPORTS = "report:"
"""How the source of a report's own objects begins (reports.output.keep)."""

MORE_IN_SERIES = (
    "UPDATE studies_series SET number_of_instances = number_of_instances + %s,"
    " metadata_version = metadata_version + 1 WHERE id = %s"
)


def quiet_delay(site_id: int, modality: str) -> timedelta:
    """How long after its last image a study counts as quiet."""
    seconds = (
        settings.QUIET_SECONDS_OVERRIDE
        or known.quiet_seconds(site_id)
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
    overlays: dict[str, Overlay | None] = field(default_factory=dict)
    """By SeriesInstanceUID, of a study that was corrected."""
    modalities: set[str] = field(default_factory=set)
    series: dict[str, int] = field(default_factory=dict)
    """Ids by SeriesInstanceUID."""
    added: dict[int, int] = field(default_factory=dict)
    """New images by series id."""


@dataclass(frozen=True, slots=True)
class There:
    """What has a SOP Instance UID: `pk` is None for a file of this very batch."""

    pk: int | None
    study_id: int
    content_digest: str


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
        self.site_id = site_id
        self.actor = actor
        self.address = address
        self.session_key = session_key
        self.as_prior = as_prior
        self.now = timezone.now()
        self.studies: dict[str, StudyInBatch] = {}
        self.received_as: dict[str, list[known.ReceivedAs]] = {}
        self.there: dict[str, There] = {}
        self.buried: set[str] = set()
        self.instances: list[tuple[Any, ...]] = []
        self.documents: list[documents.Document] = []
        self.sources: set[str] = set()

    def write(self, prepared: Sequence[Prepared]) -> list[StoreResult]:
        """Rows for every file, in order; results in the same order."""
        uids = [p.gate.sop_instance_uid for p in prepared if p.gate is not None]
        self.there = {
            uid: There(one.pk, one.study_id, one.content_digest)
            for uid, one in known.instances(self.site_id, uids).items()
        }
        new = [uid for uid in uids if uid not in self.there]
        self.buried = tombstones.buried(self.site_id, new) if new else set()
        results = [self._one(file) for file in prepared]
        if refused := [result for result in results if result.outcome == "refused"]:
            self._refused(refused, prepared)
        if self.instances:
            statements.insert(Instance, INSTANCE, self.instances)
            enrolment.enrol([(self.site_id, *row[KEY : KEY + 3]) for row in self.instances])
            documents.replace_many(self.documents)
        grown = [one for one in self.studies.values() if one.stored]
        if known_before := [one.row.pk for one in grown if not one.is_new]:
            tombstones.images_came(known_before)
        for study in grown:
            self._finish(study)
        return results

    def _one(self, file: Prepared) -> StoreResult:
        from studies.services.ingest import StoreResult

        if file.gate is not None and (
            file.reason == Reason.DELETED or file.gate.sop_instance_uid in self.buried
        ):
            return StoreResult("refused", file.gate.sop_instance_uid, Reason.DELETED)
        if file.reason is not None or file.gate is None or file.facts is None:
            return self._quarantine(file, file.reason or Reason.UNDECODABLE)
        uid = file.gate.sop_instance_uid
        there = self.there.get(uid)
        if there is not None:
            same = there.content_digest == file.gate.content_digest or (
                there.pk is not None and file.same_pixels_as == there.pk
            )
            if not same:
                reason = Reason.NOT_COMPARED if file.not_compared else Reason.CONFLICT
                return self._quarantine(file, reason)
            return StoreResult("duplicate", uid, None, there.study_id)
        belongs = self._belongs(file.gate, file.facts)
        study = self._study(file, file.gate, file.facts, belongs)
        if not self._same_patient(study.row, file.facts) and (
            self._belongs(file.gate, file.facts) != study.row.pk
        ):
            return self._quarantine(file, Reason.OTHER_PATIENT)
        self._instance(study, file, file.gate, file.facts)
        return StoreResult("stored", uid, None, study.row.pk)

    def _quarantine(self, file: Prepared, reason: Reason) -> StoreResult:
        from studies.services.ingest import StoreResult

        row, created = QuarantinedFile.objects.get_or_create(
            site_id=self.site_id,
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
            enrolment.enrol([(self.site_id, file.archive_key, file.file_size, file.file_sha256)])
            audit.record(
                "instance.quarantined",
                actor=self.actor,
                site=self.site_id,
                outcome="refused",
                detail={"reason": str(reason), "source": file.source, "file": str(row.pk)},
                address=self.address,
                session_key=self.session_key,
            )
            events.publish("quarantine.changed", site=self.site_id)
        else:
            again = QuarantinedFile.objects.filter(pk=row.pk)
            again.update(times_received=F("times_received") + 1)
            # Whoever discarded it has decided; what was stored or is erased needs a decision anew.
            again.filter(is_open=False).exclude(settled_as=Settled.DISCARDED).update(
                is_open=True, settled_as="", settled_at=None, settled_by=None
            )
        return StoreResult("quarantined", "", reason)

    def _refused(self, results: Sequence[StoreResult], prepared: Sequence[Prepared]) -> None:
        """Deleted images that came again. Bytes that were kept before that was known go, too."""
        uids = {result.sop_instance_uid for result in results}
        tombstones.came_again(
            self.site_id,
            [
                file.gate.sop_instance_uid
                for file in prepared
                if file.gate is not None and file.archive_key and file.gate.sop_instance_uid in uids
            ],
        )
        audit.record(
            "instances.refused",
            actor=self.actor,
            site=self.site_id,
            outcome="refused",
            detail={
                "count": len(results),
                "reason": str(Reason.DELETED),
                "sources": sorted({file.source for file in prepared}),
            },
            address=self.address,
            session_key=self.session_key,
        )

    @staticmethod
    def _same_patient(study: Study, facts: Facts) -> bool:
        """PatientID decides; two different issuers make two patients of one ID."""
        if study.patient_id != clip(facts.patient_id, 64):
            return False
        ours, theirs = study.issuer_of_patient_id, clip(facts.issuer_of_patient_id, 64)
        return not ours or not theirs or ours == theirs

    def _belongs(self, gate: Gate, facts: Facts) -> int | None:
        """The study that a correction says these images belong to."""
        uid = gate.study_instance_uid
        if uid not in self.received_as:
            # Locked first: a correction that is being made is waited for.
            row = known.study(self.site_id, uid)
            if row is not None and uid not in self.studies:
                self.studies[uid] = StudyInBatch(row, is_new=False)
            self.received_as[uid] = known.received_as(self.site_id, uid)
        name = (clip(facts.patient_id, 64), clip(facts.issuer_of_patient_id, 64))
        for one in self.received_as[uid]:
            if one.series_instance_uid in ("", gate.series_instance_uid) and name == (
                one.patient_id,
                one.issuer_of_patient_id,
            ):
                return one.study_id
        return None

    def _study(self, file: Prepared, gate: Gate, facts: Facts, belongs: int | None) -> StudyInBatch:
        if belongs is not None:
            target = known.study_by_id(belongs)
            uid = target.study_instance_uid
            if uid not in self.studies:
                self.studies[uid] = StudyInBatch(target, is_new=False)
            return self.studies[uid]
        uid = gate.study_instance_uid
        if uid not in self.studies:
            row = known.study(self.site_id, uid)
            self.studies[uid] = (
                StudyInBatch(row, is_new=False) if row else self._new_study(uid, file, facts)
            )
        return self.studies[uid]

    def _new_study(self, uid: str, file: Prepared, facts: Facts) -> StudyInBatch:
        patient = self._patient(facts)
        merged = None
        if patient.merged_into_id is not None:
            merged, patient = patient, known.merged_into(patient)
            facts = replace(
                facts,
                patient_id=patient.patient_id,
                issuer_of_patient_id=patient.issuer_of_patient_id,
                patient_name=patient.patient_name,
                patient_name_ideographic=patient.patient_name_ideographic,
                patient_name_phonetic="",
                patient_birth_date=patient.patient_birth_date,
                patient_sex=patient.patient_sex,
            )
        row = Study(
            site_id=self.site_id,
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
            corrected=joined(OF_PATIENT) if merged is not None else "",
            corrected_at=self.now if merged is not None else None,
            **_columns(file.document)[0],
        )
        row.search_text = search_text(row)
        row.name_conflict = self._other_name(patient.patient_name, facts.patient_name)
        row.save(force_insert=True)
        if merged is not None:
            alias = known.ReceivedAs("", merged.patient_id, merged.issuer_of_patient_id, row.pk)
            self.received_as[uid].append(alias)
            ReceivedAs.objects.create(
                site_id=self.site_id, study_instance_uid=uid, **alias._asdict()
            )
        return StudyInBatch(row, is_new=True)

    def _patient(self, facts: Facts) -> Patient:
        values = {
            "patient_name": clip(facts.patient_name, 324),
            "patient_name_ideographic": clip(facts.patient_name_ideographic, 324),
            "patient_birth_date": clip(facts.patient_birth_date, 8),
            "patient_sex": clip(facts.patient_sex, 16),
        }
        key = {
            "site_id": self.site_id,
            "patient_id": clip(facts.patient_id, 64),
            "issuer_of_patient_id": clip(facts.issuer_of_patient_id, 64),
        }
        if not key["patient_id"]:
            return Patient.objects.create(**key, **values)
        return Patient.objects.get_or_create(**key, defaults=values)[0]

    @staticmethod
    def _other_name(ours: str, theirs: str) -> bool:
        if ours == theirs:
            return False
        words, others = (search_key(name.replace("^", " ")).split() for name in (ours, theirs))
        return bool(words and others and words != others)

    def _series(self, study: StudyInBatch, file: Prepared, gate: Gate, facts: Facts) -> int:
        """The id of the file's series."""
        uid = gate.series_instance_uid
        if uid not in study.series:
            there = None if study.is_new else known.series_id(study.row.pk, uid)
            study.series[uid] = there or self._new_series(study, file, gate, facts)
        return study.series[uid]

    def _new_series(self, study: StudyInBatch, file: Prepared, gate: Gate, facts: Facts) -> int:
        uid = gate.series_instance_uid
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
                "received_in": (
                    gate.study_instance_uid
                    if gate.study_instance_uid != study.row.study_instance_uid
                    else ""
                ),
                **_columns(file.document)[1],
            },
        )
        study.row.number_of_series += is_new
        return series.pk

    def _instance(self, study: StudyInBatch, file: Prepared, gate: Gate, facts: Facts) -> None:
        series_id = self._series(study, file, gate, facts)
        number = _int32(facts.instance_number)
        self.instances.append(
            (
                self.site_id,
                series_id,
                gate.sop_instance_uid,
                gate.sop_class_uid,
                gate.transfer_syntax_uid,
                number,
                facts.rows,
                facts.columns,
                file.number_of_frames,
                facts.bits_allocated,
                clip(facts.photometric_interpretation, 32),
                file.archive_key,
                file.file_size,
                file.file_sha256,
                gate.content_digest,
                gate.dataset_digest,
                file.frame_index,
                file.source,
                self.now,
            )
        )
        self.there[gate.sop_instance_uid] = There(None, study.row.pk, gate.content_digest)
        self.documents.append(
            documents.Document(
                site_id=self.site_id,
                study_instance_uid=study.row.study_instance_uid,
                series_instance_uid=gate.series_instance_uid,
                sop_instance_uid=gate.sop_instance_uid,
                instance_number=number,
                body=file.document,
                overlay=documents.overlay_text(file.document, self._overlay(study, gate)),
            )
        )
        study.stored += 1
        study.added[series_id] = study.added.get(series_id, 0) + 1
        study.modalities.add(facts.modality)
        if (
            not study.row.name_conflict
            and facts.patient_name
            and "PatientName" not in study.row.corrected
        ):
            study.row.name_conflict = self._other_name(study.row.patient_name, facts.patient_name)
        self.sources.add(file.source)

    def _overlay(self, study: StudyInBatch, gate: Gate) -> Overlay | None:
        """What is corrected of the images of a series."""
        uid = gate.series_instance_uid
        if not study.row.corrected and gate.study_instance_uid == study.row.study_instance_uid:
            return None
        if uid not in study.overlays:
            series = Series.objects.get(pk=study.series[uid])
            row = Study.objects.get(pk=study.row.pk)
            study.overlays[uid] = overlay_of(row, series)
        return study.overlays[uid]

    def _finish(self, study: StudyInBatch) -> None:
        """Counts, arrival, audit and the event of one study."""
        for series_id, count in study.added.items():
            statements.change(MORE_IN_SERIES, [count, series_id])
        row = study.row
        was_over = row.arrival != Arrival.RECEIVING
        was_complete = row.arrival == Arrival.COMPLETE
        row.number_of_instances += study.stored
        found = set(row.modality_list) | {m for m in study.modalities if m}
        row.modalities = clip("/".join(sorted(found)), 64)
        row.last_received_at = self.now
        if not self._are_reports():
            if was_over and not self.as_prior:
                row.late_instances += study.stored
            row.arrival = Arrival.RECEIVING
            row.quiet_at = self.now + quiet_delay(
                self.site_id, next(iter(sorted(study.modalities)), "")
            )
        if row.expected_instances and row.number_of_instances >= row.expected_instances:
            row.arrival = Arrival.COMPLETE
        statements.update(Study, row.pk, STUDY, [getattr(row, name) for name in STUDY])
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
            site=self.site_id,
            study=row.pk,
            images=row.number_of_instances,
        )
        if row.arrival == Arrival.COMPLETE and not was_complete:
            arrival.note_complete(row, self.actor)
        if study.is_new:
            matching.study_arrived(row)

    def _are_reports(self) -> bool:
        """Whether all of this batch is what the portal made of its own reports: no images that a
        reader would have to see."""
        return all(source.startswith(OWN_REPORTS) for source in self.sources)


@lru_cache(maxsize=1)
def _columns(document: str) -> tuple[dict[str, str], dict[str, str], int | None]:
    """`of_document`; a new study and its new series ask for the same one."""
    return of_document(json.loads(document))


def _int32(value: int | None) -> int | None:
    return value if value is not None and -(2**31) <= value < 2**31 else None
