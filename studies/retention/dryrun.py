"""What the rules of a site would delete today, and why the rest of what is due stays."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from django.db.models import Count, Q, Sum
from django.utils import timezone

from pacs.accounts.models import Site
from studies.models import Instance, Study
from studies.retention.models import StudyDeletion
from studies.retention.rules import OWN_REPORTS, day_counted_from, judge, rules_of, years_after

MOST = 2000
"""Studies that are proposed together."""
MOST_LOOKED_AT = 20_000
AT_ONCE = 500
UNDER_WAY = ("proposed", "grace", "erasing")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A study that may go: how many of its images, how many bytes."""

    study: Study
    images: int
    size: int


@dataclass(slots=True)
class DryRun:
    """`kept`: studies whose time has come and that stay, with the reason. `is_cut`: there is more
    to look at when this is done."""

    site: Site
    rules: list[str]
    due: list[Candidate] = field(default_factory=list)
    kept: list[tuple[Study, str]] = field(default_factory=list)
    is_cut: bool = False

    @property
    def images(self) -> int:
        return sum(one.images for one in self.due)

    @property
    def size(self) -> int:
        return sum(one.size for one in self.due)

    @property
    def oldest(self) -> date | None:
        return min((day_counted_from(one.study) for one in self.due), default=None)

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why studies are kept, with how many, the most frequent first."""
        return Counter(why for _, why in self.kept).most_common()

    @property
    def digest(self) -> str:
        """Another one where the list is another: who confirms has seen this one."""
        facts = [f"{one.study.pk}:{one.images}:{one.size}" for one in self.due]
        return hashlib.sha256(" ".join(facts).encode()).hexdigest()[:32]


def dry_run(site: Site) -> DryRun:
    """Judge the studies of a site that are old enough, the oldest first; writes nothing.

    Studies that are in a deletion already are left out.
    """
    found = rules_of(site.pk)
    result = DryRun(site, [str(rule) for rule in found.by_modality.values()])
    shortest = found.shortest
    if shortest is None:
        return result
    looked_at = 0
    for studies in _old_enough(site, shortest):
        if len(result.due) >= MOST or looked_at >= MOST_LOOKED_AT:
            result.is_cut = True
            break
        looked_at += len(studies)
        judged = judge(studies)
        sizes = sizes_of([study.pk for study in judged.due])
        for study in judged.due:
            images, size = sizes.get(study.pk, (0, 0))
            if images:
                result.due.append(Candidate(study, images, size))
        result.kept += [
            (study, judged.kept[study.pk]) for study in studies if study.pk in judged.kept
        ]
    result.is_cut = result.is_cut or len(result.due) > MOST
    del result.due[MOST:]
    return result


def _old_enough(site: Site, years: int) -> Iterator[list[Study]]:
    """Studies with images that lie far enough back for the shortest rule, in chunks by date."""
    today = timezone.now().date()
    # One day more than it can be: leap days.
    last = years_after(today, -years)
    rows = (
        Study.objects.filter(site=site, number_of_instances__gt=0)
        .filter(Q(study_day__lte=last) | Q(study_day=None, received_at__date__lte=last))
        .exclude(id__in=StudyDeletion.objects.filter(state__in=UNDER_WAY).values("study_id"))
        .select_related("site")
        .order_by("sort_day", "id")
    )
    at = 0
    ids = list(rows.values_list("id", flat=True)[: MOST_LOOKED_AT + 1])
    while at < len(ids):
        by_id = rows.in_bulk(ids[at : at + AT_ONCE])
        yield [by_id[pk] for pk in ids[at : at + AT_ONCE] if pk in by_id]
        at += AT_ONCE


def sizes_of(study_ids: list[int]) -> dict[int, tuple[int, int]]:
    """Images and bytes of these studies that a deletion takes: not the reports' own objects."""
    rows = (
        Instance.objects.filter(series__study__in=study_ids)
        .exclude(source__startswith=OWN_REPORTS)
        .order_by()
        .values("series__study_id")
        .annotate(images=Count("id"), size=Sum("file_size"))
    )
    return {row["series__study_id"]: (row["images"], row["size"] or 0) for row in rows}
