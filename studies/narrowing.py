"""Filters that leave few of many studies: the page is then gathered from these.

Otherwise it is read in the order of work, which meets matches soon where many match; where few do,
it would read the whole index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studies.models import Study, StudyModality

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from studies.filters import WorklistFilter

# Counting this many entries of an index takes some 10 ms.
MOST = 200_000


@dataclass(frozen=True)
class Few:
    """`ids` of the `number` studies that one filter leaves, of `total`, whoever may see them."""

    number: int
    ids: QuerySet[Any]
    total: int

    def is_worth_gathering(self, wanted: int) -> bool:
        """Whether reading and sorting them is less than reading in order until `wanted` match."""
        return self.number**2 < wanted * self.total // 2

    @property
    def is_worth_counting(self) -> bool:
        return self.number * 5 < self.total


def fewest(filters: WorklistFilter) -> Few | None:
    """The filter that leaves the fewest, by its own index; None where none leaves at most MOST."""
    found = [
        (number, ids)
        for ids in _by_each(filters)
        if (number := ids.order_by()[: MOST + 1].count()) <= MOST
    ]
    if not found:
        return None
    number, ids = min(found, key=lambda pair: pair[0])
    newest = Study.objects.order_by("-id").values_list("id", flat=True)[:1]
    return Few(number, ids, total=max(newest, default=0))


def _by_each(filters: WorklistFilter) -> list[QuerySet[Any]]:
    each: list[QuerySet[Any]] = []
    first, last = filters.days
    if first or last:
        days = {"study_day__gte": first, "study_day__lte": last}
        known = {name: day for name, day in days.items() if day}
        each.append(Study.objects.filter(**known).values("id"))
    if modalities := filters.cleaned("modality"):
        sites = filters.site_ids or [site.pk for site in filters.sites]
        rows = StudyModality.objects.filter(site__in=sites, modality__in=modalities)
        each.append(rows.values("study_id"))
    if arrival := filters.cleaned("arrival"):
        each.append(Study.objects.filter(arrival=arrival).values("id"))
    return each
