"""Until when a study is kept, and why it stays longer. Nothing here writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from studies.backup.models import BackupState
from studies.corrections.models import Correction, CorrectionKind, RejectedStudy
from studies.models import Arrival, Instance, QuarantinedFile, ReadingState, Study
from studies.retention import registry
from studies.retention.models import LegalHold, RetentionRule
from studies.sending.models import OPEN as SENDING
from studies.sending.models import Send
from studies.services.columns import day_of

REPORTED: Final = (ReadingState.FINAL.value, ReadingState.ADDENDED.value)
COMPANIONS: Final = frozenset({"SR", "PR", "KO", "DOC", "AU"})
"""Modalities of what goes with images: they follow the images' rules."""
MOVING: Final = (CorrectionKind.MOVE, CorrectionKind.REJECT_IMAGES)
OWN_REPORTS: Final = "report:"
"""How the source of a report's own objects begins: they stay with the report."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The enabled rules of a site, by modality; "" for the others."""

    by_modality: Mapping[str, RetentionRule]

    def of(self, study: Study) -> list[RetentionRule] | None:
        """The rules for each modality of the study; None where one of them has none."""
        named = [name for name in study.modality_list if name not in COMPANIONS]
        found = {}
        for name in named or study.modality_list or [""]:
            rule = self.by_modality.get(name, self.by_modality.get(""))
            if rule is None:
                return None
            found[rule.pk] = rule
        return list(found.values())

    @property
    def shortest(self) -> int | None:
        """Years before which no study of the site can be due."""
        return min((rule.years for rule in self.by_modality.values()), default=None)


def rules_of(site_id: int) -> Rules:
    rows = RetentionRule.objects.filter(site=site_id, is_enabled=True)
    return Rules({row.modality: row for row in rows})


def years_after(day: date, years: int) -> date:
    """The same day so many years later; 1 March for a 29 February."""
    year = day.year + years
    if year > date.max.year:
        return date.max
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def day_counted_from(study: Study) -> date:
    """The study's date; where there is none, the day of receipt."""
    return study.study_day or study.received_at.date()


def kept_until(study: Study, rules: Sequence[RetentionRule]) -> date | None:
    """The last of the days that the rules say; None where a rule cannot say it."""
    begins = day_counted_from(study)
    days = []
    for rule in rules:
        days.append(years_after(begins, rule.years))
        if rule.minor_age is None:
            continue
        born = day_of(study.patient_birth_date)
        if born is None:
            return None
        of_age = years_after(born, rule.minor_age)
        if begins < of_age:
            days.append(years_after(of_age, rule.minor_years or 0))
    return max(days)


@dataclass(slots=True)
class Judged:
    """What the rules say of some studies: which are due and may go, and why others stay.

    Studies whose time has not come are in neither.
    """

    due: list[Study] = field(default_factory=list)
    kept: dict[int, str] = field(default_factory=dict)


def judge(studies: Sequence[Study], now: datetime | None = None) -> Judged:
    """Judge studies, all of one site, by its rules as they are now."""
    judged = Judged()
    if not studies:
        return judged
    rules = rules_of(studies[0].site_id)
    today = (now or timezone.now()).date()
    timely: dict[int, list[RetentionRule]] = {}
    for study in studies:
        found = rules.of(study)
        if found is None:
            judged.kept[study.pk] = "No rule for one of its modalities."
            continue
        until = kept_until(study, found)
        if until is None:
            judged.kept[study.pk] = "The birth date is not known, and the rule asks for it."
        elif until <= today:
            timely[study.pk] = found
    reasons = _reasons([study for study in studies if study.pk in timely], timely)
    for study in studies:
        if study.pk not in timely:
            continue
        if (why := reasons.get(study.pk)) is not None:
            judged.kept[study.pk] = why
        else:
            judged.due.append(study)
    return judged


def _reasons(studies: Sequence[Study], rules: Mapping[int, list[RetentionRule]]) -> dict[int, str]:
    """Why each of these must stay although its time has come; the weightiest reason of each."""
    ids = [study.pk for study in studies]
    found: dict[int, str] = {}
    if not ids:
        return found
    for study in studies:
        taken = all(rule.takes_unsafe for rule in rules[study.pk])
        if not taken:
            found[study.pk] = "Not known to be safe in the backup."
    safe = _safe(studies)
    found = {pk: why for pk, why in found.items() if pk not in safe}
    found |= dict.fromkeys(_being_sent(ids), "It is being sent.")
    found |= registry.kept_elsewhere(ids)
    found |= _quarantined(studies)
    for study in studies:
        unneeded = study.reading_state == ReadingState.NOT_NEEDED and all(
            rule.takes_unneeded for rule in rules[study.pk]
        )
        if study.reading_state not in REPORTED and not unneeded:
            found[study.pk] = "Not reported."
        if study.arrival == Arrival.RECEIVING:
            found[study.pk] = "Images are still coming."
    rejected = RejectedStudy.objects.filter(study__in=ids).values_list("study_id", flat=True)
    found |= dict.fromkeys(rejected, "Rejected: it stays as it was rejected.")
    found |= dict.fromkeys(held(ids), "On legal hold.")
    return found


def _safe(studies: Sequence[Study]) -> set[int]:
    """Those whose expected images are all here and all in the backup (backup.safety, for many)."""
    done = BackupState.objects.filter(
        archive_key=OuterRef("archive_key"), state=BackupState.State.DONE
    )
    rows = (
        Instance.objects.filter(series__study__in=[study.pk for study in studies])
        .order_by()
        .values("series__study_id")
        .annotate(images=Count("id"), backed_up=Count("id", filter=Q(Exists(done))))
    )
    counts = {row["series__study_id"]: (row["images"], row["backed_up"]) for row in rows}
    safe = set()
    for study in studies:
        images, backed_up = counts.get(study.pk, (0, 0))
        expected = study.expected_instances
        if expected is not None and backed_up >= images >= expected and images:
            safe.add(study.pk)
    return safe


def _being_sent(ids: Collection[int]) -> Any:
    return Send.objects.filter(study__in=ids, state__in=SENDING).values_list("study_id", flat=True)


def _quarantined(studies: Sequence[Study]) -> dict[int, str]:
    uids = {study.study_instance_uid: study.pk for study in studies}
    rows = QuarantinedFile.objects.filter(
        site=studies[0].site_id, is_open=True, study_instance_uid__in=list(uids)
    )
    return {
        uids[uid]: "Images of it are in quarantine."
        for uid in rows.order_by().values_list("study_instance_uid", flat=True).distinct()
    }


def held(ids: Collection[int]) -> set[int]:
    """Those of the studies that are on hold, or hold images that came from one that is.

    A hold goes with images that corrections carry into another study, however often.
    """
    on_hold = set(LegalHold.objects.filter(lifted_at=None).values_list("study_id", flat=True))
    reached, edge = set(on_hold), set(on_hold)
    while edge:
        moves = Correction.objects.filter(kind__in=MOVING, studies__in=edge)
        near = Correction.studies.through.objects.filter(correction__in=moves.values("id"))
        edge = set(near.values_list("study_id", flat=True)) - reached
        reached |= edge
    return reached & set(ids)
