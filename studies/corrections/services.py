"""What a technician does at the correction desk. Each correction is one transaction; a preview is
the same, rolled back.

`version`: what `Study.correction_version` was when the person looked. Raises CorrectionError.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.utils import timezone

from pacs import audit
from studies.corrections.attributes import (
    BY_KEYWORD,
    LABELS,
    OF_PATIENT,
    checked,
    columns_of,
    readable,
)
from studies.corrections.errors import Refused, Stale
from studies.corrections.models import (
    REASONS_OF_REJECTION,
    Correction,
    CorrectionKind,
    Reason,
    ReceivedAs,
    RejectedStudy,
)
from studies.corrections.work import SIGNED, Work
from studies.models import Instance, MetadataDocument, Patient, Series, Study
from studies.orders.models import CorrectionProposal, Order, ProposalKind, ProposalState
from studies.services.known import merged_into

MOST_STUDIES = 500


@dataclass(frozen=True, slots=True)
class Why:
    """Who corrects, and why. `origin`: address and session for the audit trail."""

    actor: Any
    reason: str
    note: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)
    seen: str = ""
    """`Outcome.seen` of the preview that is confirmed."""

    def check(self, kind: str) -> None:
        if self.reason not in Reason.values:
            raise Refused("Say why: choose a reason.", "reason")
        rejects = kind in (CorrectionKind.REJECT_IMAGES, CorrectionKind.REJECT_STUDY)
        if rejects and self.reason not in REASONS_OF_REJECTION:
            raise Refused("This is no reason to reject images: choose another.", "reason")
        if self.reason == Reason.OTHER and not self.note.strip():
            raise Refused("Note the reason in a few words.", "note")
        if len(self.note) > 500:
            raise Refused("The note has at most 500 characters.", "note")


@dataclass(frozen=True, slots=True)
class Change:
    """What a preview shows: old and new, as text."""

    label: str
    old: str
    new: str


@dataclass
class Outcome:
    """What was corrected, or would be. `signed`: studies with a signed report."""

    correction: Correction | None
    changes: list[Change]
    studies: list[Study]
    series: list[Series]
    images: int
    orders: list[Order]
    signed: list[Study]
    warnings: list[str] = field(default_factory=list)
    seen: str = ""
    patients: list[int] = field(default_factory=list)
    """Whom others are merged into."""

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """Label, old and new of every change."""
        return [(one.label, one.old, one.new) for one in self.changes]


Step = Callable[[Work], "tuple[Study, list[str]]"]


class _Preview(Exception):
    """Rolls a preview back."""


def _carry_out(kind: str, why: Why, dry: bool, step: Step, proposal: Any = None) -> Outcome:
    why.check(kind)
    outcome: Outcome | None = None
    try:
        with transaction.atomic():
            work = Work(dry=dry)
            study, warnings = step(work)
            if not work.changes:
                raise Refused("Nothing would change.")
            changes = shown(work.changes)
            seen = _seen(work, changes)
            if why.seen and why.seen != seen and not dry:
                raise Stale
            correction = None if dry else _row(kind, why, work, study, proposal)
            work.finish(
                correction, action="study.corrected", origin=dict(why.origin), actor=why.actor
            )
            touched = list(work.studies.values())
            outcome = Outcome(
                correction,
                changes,
                touched,
                list(Series.objects.filter(study__in=touched).order_by("study_id", "id")),
                work.images or sum(one.number_of_instances for one in touched),
                list(Order.objects.filter(study__in=touched).order_by("id")),
                [one for one in touched if one.reading_state in SIGNED],
                warnings,
                seen=seen,
                patients=[one["n"] for one in work.changes if one.get("f") == "merged_into_id"],
            )
            if dry:
                raise _Preview
    except _Preview:
        pass
    assert outcome is not None  # noqa: S101 - set before every way out
    return outcome


def _seen(work: Work, changes: Sequence[Change]) -> str:
    """What a preview shows: the studies, as often as each was corrected, and old and new."""
    versions = sorted(
        (pk, study.correction_version) for pk, study in work.studies.items() if pk not in work.made
    )
    rows = sorted((one.label, one.old, one.new) for one in changes)
    return sha256(json.dumps([versions, rows]).encode()).hexdigest()


def _row(kind: str, why: Why, work: Work, study: Study, proposal: Any) -> Correction:
    correction = Correction.objects.create(
        site_id=study.site_id,
        study=study,
        kind=kind,
        reason=why.reason,
        note=why.note.strip(),
        changes=work.changes,
        number_of_images=work.images or sum(s.number_of_instances for s in work.studies.values()),
        after_signing=any(one.reading_state in SIGNED for one in work.studies.values()),
        proposal=proposal,
        actor=why.actor,
    )
    correction.studies.set(work.studies)
    for alias in work.aliases:
        alias.correction = correction
    ReceivedAs.objects.bulk_create(work.aliases)
    return correction


def shown(changes: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Old and new of what people know by name, each once."""
    found: dict[Change, None] = {}
    for change in changes:
        if change["m"] == "study" and change["f"] in LABELS:
            old, new = (readable(change["f"], str(change[side] or "")) for side in "on")
            found[Change(LABELS[change["f"]], old, new)] = None
    return list(found)


# Facts


def correct_facts(
    pk: int,
    version: int,
    said: Mapping[str, str],
    why: Why,
    *,
    all_of_patient: bool = False,
    proposal: CorrectionProposal | None = None,
    dry: bool = False,
) -> Outcome:
    """Attributes of the study and its patient, by keyword. With `all_of_patient` those of the
    patient in all studies under the same ID."""

    def step(work: Work) -> tuple[Study, list[str]]:
        study = _at_work(work, pk, version)
        patient = study.patient_ref
        new = checked(said, study)
        warnings = _study_facts(work, study, new)
        of_patient = {keyword: text for keyword, text in said.items() if keyword in OF_PATIENT}
        if of_patient and all_of_patient:
            for other in _others(work, patient, study):
                _study_facts(work, other, checked(of_patient, other))
            _patient_facts(work, patient, study)
        _decide(proposal, why, dry)
        return study, warnings

    return _carry_out(CorrectionKind.FACTS, why, dry, step, proposal)


def _at_work(work: Work, pk: int, version: int | None) -> Study:
    study = work.locked(pk, version)
    if RejectedStudy.objects.filter(study=study).exists():
        raise Refused("This study is rejected. Take the rejection back first.")
    return study


def _others(work: Work, patient: Patient, study: Study) -> list[Study]:
    rows = Study.objects.filter(patient_ref=patient, site=study.site_id).exclude(pk=study.pk)
    pks = list(rows.order_by("id").values_list("id", flat=True)[: MOST_STUDIES + 1])
    if len(pks) > MOST_STUDIES:
        raise Refused(f"This patient has more than {MOST_STUDIES} studies: ask an administrator.")
    # One that somebody made another patient's, while the lock was waited for, stays theirs.
    return [one for one in work.lock(pks) if one.patient_ref_id == patient.pk]


def _patient_facts(work: Work, patient: Patient, study: Study) -> None:
    """The patient's row follows the study, where the study is still this patient's."""
    if study.patient_ref_id == patient.pk:
        facts = ("patient_name", "patient_name_ideographic", "patient_birth_date", "patient_sex")
        work.set(study.patient_ref, **{column: getattr(study, column) for column in facts})


def _study_facts(work: Work, study: Study, new: Mapping[str, str]) -> list[str]:
    """The study says this from now on; images that still come under the old ID belong to it.

    Warnings.
    """
    if not new:
        return []
    identity = {"PatientID", "IssuerOfPatientID"} & new.keys()
    if identity:
        work.alias(study, study.study_instance_uid, "", study)
    columns: dict[str, Any] = {}
    for keyword, text in new.items():
        columns |= columns_of(keyword, text)
    if identity or "PatientBirthDate" in new:
        columns["patient_age"] = ""
    if "PatientName" in new:
        columns["name_conflict"] = False
    work.set(study, **columns)
    work.corrects(study, new)
    return _patient_of(work, study) if set(OF_PATIENT) & new.keys() else []


def _patient_of(work: Work, study: Study) -> list[str]:
    """The patient's row that the study's ID names now; what of it differs."""
    site, patient_id, issuer = study.site_id, study.patient_id, study.issuer_of_patient_id
    facts = {
        "patient_name": study.patient_name,
        "patient_name_ideographic": study.patient_name_ideographic,
        "patient_birth_date": study.patient_birth_date,
        "patient_sex": study.patient_sex,
    }
    ours = study.patient_ref
    if (ours.patient_id, ours.issuer_of_patient_id) == (patient_id, issuer):
        only = not Study.objects.filter(patient_ref=ours).exclude(pk=study.pk).exists()
        if only:
            work.set(ours, **facts)
        return []
    patient, made = Patient.objects.get_or_create(
        site_id=site, patient_id=patient_id, issuer_of_patient_id=issuer, defaults=facts
    )
    work.set(study, patient_ref_id=patient.pk)
    if made or (patient.patient_name, patient.patient_birth_date) == (
        study.patient_name,
        study.patient_birth_date,
    ):
        return []
    return ["There is another patient of this ID whose name or birth date differs: look twice."]


# Merging


def merge_patients(
    pk: int,
    version: int,
    into: Mapping[str, str],
    why: Why,
    *,
    proposal: CorrectionProposal | None = None,
    dry: bool = False,
) -> Outcome:
    """All studies of the study's patient become those of the patient with this PatientID (and
    IssuerOfPatientID), who has studies here. Images that still come under the old ID follow."""

    def step(work: Work) -> tuple[Study, list[str]]:
        study = _at_work(work, pk, version)
        source = study.patient_ref
        target = _target(study, into)
        source, target = _merge(work, source, target)
        studies = [study, *_others(work, source, study)]
        for one in studies:
            _as_patient(work, one, target)
        _decide(proposal, why, dry)
        return study, []

    return _carry_out(CorrectionKind.MERGE, why, dry, step, proposal)


def _target(study: Study, into: Mapping[str, str]) -> Patient:
    wanted = (into.get("PatientID") or "").strip()
    if not wanted:
        raise Refused("Enter the ID of the patient to merge into.", "into")
    found = list(Patient.objects.filter(site=study.site_id, patient_id=wanted).order_by("id")[:20])
    issuer = into.get("IssuerOfPatientID")
    if issuer is not None:
        found = [one for one in found if one.issuer_of_patient_id == issuer]
    if not found:
        raise Refused("This site has no patient of this ID.", "into")
    if len(found) > 1:
        raise Refused("Several patients have this ID: name the issuer, too.", "issuer")
    return found[0]


def _merge(work: Work, source: Patient, target: Patient) -> tuple[Patient, Patient]:
    # As they are now: two technicians may merge two patients into each other at once.
    rows = Patient.objects.select_for_update(of=("self",)).order_by("id")
    found = {row.pk: row for row in rows.filter(pk__in={source.pk, target.pk})}
    source, target = found[source.pk], found[target.pk]
    end = merged_into(target)
    if source.pk == target.pk:
        raise Refused("This is the same patient.", "into")
    if end.pk == source.pk:
        raise Refused(
            "That patient was merged into this one: take that back before merging the other way.",
            "into",
        )
    if end.pk != target.pk:
        raise Refused("That patient was merged into another: name that one.", "into")
    if not source.patient_id:
        raise Refused("Images without an ID belong to nobody: correct the study's ID instead.")
    work.set(source, merged_into_id=target.pk)
    return source, target


def _as_patient(work: Work, study: Study, patient: Patient) -> None:
    """The study is this patient's, with all that the patient's row says."""
    work.alias(study, study.study_instance_uid, "", study)
    age = study.patient_age if study.patient_birth_date == patient.patient_birth_date else ""
    work.set(
        study,
        patient_ref_id=patient.pk,
        patient_id=patient.patient_id,
        issuer_of_patient_id=patient.issuer_of_patient_id,
        patient_name=patient.patient_name,
        patient_name_ideographic=patient.patient_name_ideographic,
        patient_name_phonetic="",
        patient_birth_date=patient.patient_birth_date,
        patient_sex=patient.patient_sex,
        patient_age=age,
        name_conflict=False,
    )
    work.corrects(study, OF_PATIENT)


# Moving


def move_series(
    pk: int,
    version: int,
    series_ids: Sequence[int],
    target_id: int | None,
    why: Why,
    *,
    dry: bool = False,
) -> Outcome:
    """Series into another study of the site; None: into a study of their own."""

    def step(work: Work) -> tuple[Study, list[str]]:
        if target_id is not None:
            work.lock(sorted({pk, target_id}))  # in one order, whichever way round it goes
        study = _at_work(work, pk, version)
        series = list(study.series.filter(pk__in=series_ids).order_by("id"))
        if not series or len(series) != len(set(series_ids)):
            raise Refused("Choose at least one series of this study.", "series")
        everything = study.series.filter(number_of_instances__gt=0).count() == len(series)
        if target_id is None:
            if everything:
                raise Refused(
                    "These are all series: nothing would be left. Correct the study's facts.",
                    "series",
                )
            target = work.create(study)
        else:
            target = _at_work(work, target_id, None)
            if target.pk == study.pk:
                raise Refused("The series are in this study already.", "target")
            if target.site_id != study.site_id:
                raise Refused("The other study is of another site.", "target")
        for one in series:
            came_in = one.received_in or study.study_instance_uid
            work.alias_all(study, came_in, one.series_instance_uid, target)
            work.move_series(one, target)
        warnings = []
        if everything:
            work.alias_all(study, study.study_instance_uid, "", target)
            work.reject(study, of=target)
            warnings.append("This study is empty then, and vanishes from the lists.")
        if target.patient_ref_id != study.patient_ref_id:
            warnings.append("The series become images of another patient.")
        return study, warnings

    return _carry_out(CorrectionKind.MOVE, why, dry, step)


# Rejecting


def reject_images(
    pk: int,
    version: int,
    series_ids: Sequence[int],
    image_ids: Sequence[int],
    why: Why,
    *,
    dry: bool = False,
) -> Outcome:
    """Whole series, and single images, vanish for everyone but administrators."""

    def step(work: Work) -> tuple[Study, list[str]]:
        study = _at_work(work, pk, version)
        images = Instance.objects.filter(series__study=study)
        wanted = set(images.filter(series__in=series_ids).values_list("id", flat=True))
        single = set(images.filter(pk__in=image_ids).values_list("id", flat=True))
        if len(single) != len(set(image_ids)):
            raise Refused("One of these images is no longer in this study. Look again.", "images")
        wanted |= single
        if not wanted:
            raise Refused("Choose the series or images to reject.", "series")
        if len(wanted) == images.count():
            raise Refused("These are all images: reject the whole study.", "series")
        for series_pk in set(images.filter(pk__in=wanted).values_list("series_id", flat=True)):
            row = Series.objects.get(pk=series_pk)
            own = set(row.instances.values_list("id", flat=True))
            if own <= wanted:  # the series goes as it is, and what still comes of it follows
                holder = _holder(work, study, without=row.series_instance_uid)
                came_in = row.received_in or study.study_instance_uid
                work.alias_all(study, came_in, row.series_instance_uid, holder)
                work.move_series(row, holder)
            else:
                holder = _holder(work, study)
                work.move_images(sorted(own & wanted), _series_in(holder, row, study))
        return study, []

    return _carry_out(CorrectionKind.REJECT_IMAGES, why, dry, step)


def _holder(work: Work, study: Study, without: str = "") -> Study:
    """The hidden study that holds rejected images of this one; one `without` this series."""
    holders = RejectedStudy.objects.filter(of=study, holds_images=True).order_by("study_id")
    if without:
        holders = holders.exclude(study__series__series_instance_uid=without)
    found = holders.values_list("study_id", flat=True).first()
    if found is not None:
        return work.lock([found])[0]
    holder = work.create(study)
    work.changes.pop()  # it stays, hidden and empty, when this is taken back
    work.hide(holder, of=study)
    return holder


def _series_in(holder: Study, row: Series, study: Study) -> Series:
    there = holder.series.filter(series_instance_uid=row.series_instance_uid).first()
    if there is not None:
        return there
    values = {
        each.attname: getattr(row, each.attname)
        for each in Series._meta.concrete_fields
        if each.attname not in ("id", "study_id", "number_of_instances", "metadata_version")
    }
    values["received_in"] = row.received_in or study.study_instance_uid
    return Series.objects.create(study=holder, **values)


def reject_study(pk: int, version: int, why: Why, *, dry: bool = False) -> Outcome:
    """The whole study vanishes for everyone but administrators."""

    def step(work: Work) -> tuple[Study, list[str]]:
        study = _at_work(work, pk, version)
        work.reject(study)
        work.images = study.number_of_instances
        return study, [
            "Images that still come for this study vanish with it, repeated ones too. Where the"
            " examination is repeated, reject the series instead."
        ]

    return _carry_out(CorrectionKind.REJECT_STUDY, why, dry, step)


# Images in quarantine


def accept_patient(pk: int, patient_id: str, issuer: str, why: Why) -> Outcome:
    """Images that come for this study under another PatientID are the study's patient's."""

    def step(work: Work) -> tuple[Study, list[str]]:
        study = _at_work(work, pk, None)
        work.alias(study, study.study_instance_uid, "", study, patient_id, issuer)
        work.corrects(study, OF_PATIENT)
        if not work.changes:
            work.changes.append({"m": "keywords", "pk": study.pk, "o": [], "n": []})
        return study, []

    return _carry_out(CorrectionKind.ACCEPT, why, False, step)


# Proposals of the HIS


def carry_out_proposal(
    proposal: CorrectionProposal, pk: int, version: int, why: Why, *, dry: bool = False
) -> Outcome:
    """What the HIS proposes, begun at a study of the patient."""
    if proposal.state != ProposalState.OPEN:
        raise Refused("This proposal was decided already.")
    if proposal.kind == ProposalKind.UPDATE:
        said = {
            keyword: str(proposal.facts[BY_KEYWORD[keyword].column])
            for keyword in OF_PATIENT
            if BY_KEYWORD[keyword].column in proposal.facts
        }
        return correct_facts(
            pk, version, said, why, all_of_patient=True, proposal=proposal, dry=dry
        )
    into = {"PatientID": proposal.patient_id}
    if proposal.issuer_of_patient_id:
        into["IssuerOfPatientID"] = proposal.issuer_of_patient_id
    return merge_patients(pk, version, into, why, proposal=proposal, dry=dry)


def dismiss(proposal: CorrectionProposal, actor: Any, origin: Mapping[str, Any]) -> None:
    """The images are right as they are."""
    with transaction.atomic():
        if not CorrectionProposal.objects.filter(pk=proposal.pk, state=ProposalState.OPEN).update(
            state=ProposalState.DISMISSED, decided_at=timezone.now(), decided_by=actor
        ):
            raise Refused("This proposal was decided already.")
        audit.record(
            "correction.dismissed",
            actor=actor,
            site=proposal.site_id,
            patient=proposal.patient_ref_id,
            detail={"proposal": proposal.pk},
            **origin,
        )


def _decide(proposal: CorrectionProposal | None, why: Why, dry: bool) -> None:
    if proposal is None or dry:
        return
    if not CorrectionProposal.objects.filter(pk=proposal.pk, state=ProposalState.OPEN).update(
        state=ProposalState.ACCEPTED, decided_at=timezone.now(), decided_by=why.actor
    ):
        raise Refused("This proposal was decided already.")


# Undo


def _holds_accepted(correction: Correction) -> bool:
    """Whether images that came under the accepted patient are still in the study."""
    names = set(ReceivedAs.objects.filter(correction=correction).values_list("patient_id"))
    came = Instance.objects.filter(
        series__study=correction.study_id, received_at__gte=correction.at
    ).values("sop_instance_uid")
    bodies = MetadataDocument.objects.filter(
        site=correction.site_id, sop_instance_uid__in=came
    ).values_list("body", flat=True)
    said = ((body.get("00100020", {}).get("Value") or [""])[0] for body in bodies.iterator(500))
    return any((str(one)[:64],) in names for one in said)


def undo(pk: int, actor: Any, origin: Mapping[str, Any]) -> Correction:
    """Take a correction back. Raises Refused where it was corrected again since."""
    with transaction.atomic():
        correction: Correction = Correction.objects.select_for_update().get(pk=pk)
        if correction.undone_at is not None:
            raise Refused("This was taken back already.")
        work = Work()
        work.lock(correction.studies.order_by("id").values_list("id", flat=True))
        if correction.kind == CorrectionKind.ACCEPT and _holds_accepted(correction):
            raise Refused(
                "Images that were taken in like this are in the study: they would be served as"
                " another patient's. Reject or move them first."
            )
        work.undo(correction)
        ReceivedAs.objects.filter(correction=correction).delete()
        correction.undone_at, correction.undone_by = timezone.now(), actor
        # Signed in between: what the report was signed on is another thing now.
        correction.after_signing |= any(s.reading_state in SIGNED for s in work.studies.values())
        correction.save(update_fields=["undone_at", "undone_by", "after_signing"])
        if correction.proposal_id is not None:
            CorrectionProposal.objects.filter(pk=correction.proposal_id).update(
                state=ProposalState.OPEN, decided_at=None, decided_by=None
            )
        work.finish(correction, action="study.correction_undone", origin=dict(origin), actor=actor)
    return correction
