"""The worklist's columns, their order in the database, and a page of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import django_tables2 as tables
from django.db.models import Case, Exists, IntegerField, OuterRef, Subquery, Value, When

from studies.models import Arrival, ReadingState, Study
from studies.narrowing import Few, fewest
from studies.reading import clocks
from studies.reading.models import StudyNote
from studies.retention.models import DeletionState, StudyDeletion

if TYPE_CHECKING:
    from studies.filters import WorklistFilter
    from studies.managers import StudyQuerySet

PAGE_SIZE = 50
COUNT_CAP = 10_000
MAX_PAGE = 20_000
MAX_ARMS = 60
DEFAULT_SORT = "priority"

COLUMNS = (
    "site_id",
    "patient_ref_id",
    "patient_name",
    "patient_name_ideographic",
    "patient_id",
    "patient_birth_date",
    "patient_sex",
    "patient_age",
    "name_conflict",
    "study_date",
    "study_time",
    "study_day",
    "modalities",
    "study_description",
    "body_part_examined",
    "accession_number",
    "referring_physician_name",
    "number_of_instances",
    "expected_instances",
    "late_instances",
    "arrival",
    "reading_state",
    "priority",
    "received_at",
    "claimed_at",
    "site__name",
    "site__timezone",
    "reader__first_name",
    "reader__last_name",
    "reader__username",
    "assigned_to__first_name",
    "assigned_to__last_name",
    "assigned_to__username",
)


def with_work(studies: StudyQuerySet) -> StudyQuerySet:
    """The studies with all that a row shows, in one query: people, clock, notes.

    Adds `turnaround` (minutes or None), `has_notes`, `is_verified`, and `deletes_at` where its
    images are in the grace before they are deleted.
    """
    grace = StudyDeletion.objects.filter(study=OuterRef("pk"), state=DeletionState.GRACE)
    own = StudyNote.objects.filter(study=OuterRef("pk")).order_by()
    rows: StudyQuerySet = (
        studies.select_related("site", "reader", "assigned_to")
        .only(*COLUMNS)
        .annotate(
            turnaround=clocks.minutes_of_row(),
            has_notes=Exists(own.exclude(text="")),
            is_verified=Exists(own.filter(kind=StudyNote.Kind.VERIFICATION)),
            deletes_at=Subquery(grace.order_by().values("proposal__deletes_at")[:1]),
        )
    )
    return rows


def rank(field: str, values: list[str]) -> Case:
    """Orders a choice by its place in the work, not by its spelling."""
    return Case(
        *[When(**{field: value}, then=Value(place)) for place, value in enumerate(values)],
        default=Value(len(values)),
        output_field=IntegerField(),
    )


RANKS = {
    "arrival_rank": rank("arrival", [str(value) for value in Arrival.values]),
    "state_rank": rank("reading_state", [str(value) for value in ReadingState.values]),
}


class PageData(tables.data.TableListData):
    """Rows that come from the database in their order."""

    def order_by(self, aliases: Any) -> None:
        """Nothing: sorting 50 rows of 12,000 again would be wrong."""


class WorklistTable(tables.Table):
    """Columns; `order_by` of each is the database order, always ending in the unique id."""

    priority = tables.Column("Priority", order_by=("priority", "received_at", "id"))
    patient = tables.Column("Patient", accessor="patient_name", order_by=("patient_name", "id"))
    patient_id = tables.Column("Patient ID", order_by=("patient_id", "id"))
    age = tables.Column(
        "Sex, age", accessor="patient_sex", order_by=("patient_birth_date", "patient_sex", "id")
    )
    study = tables.Column(
        "Study time", accessor="study_date", order_by=("study_date", "study_time", "id")
    )
    modality = tables.Column("Mod.", accessor="modalities", order_by=("modalities", "id"))
    description = tables.Column(
        "Description", accessor="study_description", order_by=("study_description", "id")
    )
    body_part = tables.Column(
        "Body part", accessor="body_part_examined", order_by=("body_part_examined", "id")
    )
    accession = tables.Column(
        "Accession", accessor="accession_number", order_by=("accession_number", "id")
    )
    site = tables.Column("Site", accessor="site_id", order_by=("site__name", "id"))
    images = tables.Column(
        "Images", accessor="number_of_instances", order_by=("number_of_instances", "id")
    )
    arrival = tables.Column("Arrival", order_by=("arrival_rank", "received_at", "id"))
    state = tables.Column(
        "State", accessor="reading_state", order_by=("state_rank", "received_at", "id")
    )
    waiting = tables.Column("Waiting", accessor="received_at", order_by=("received_at", "id"))
    birth_date = tables.Column(
        "Birth date", accessor="patient_birth_date", order_by=("patient_birth_date", "id")
    )
    referrer = tables.Column(
        "Referrer",
        accessor="referring_physician_name",
        order_by=("referring_physician_name", "id"),
    )
    received = tables.Column("Received", accessor="received_at", order_by=("received_at", "id"))

    class Meta:
        template_name = "studies/_table.html"
        order_by = (DEFAULT_SORT,)

    def __init__(self, studies: list[Study], sort: str, columns: Sequence[str]) -> None:
        hidden = [name for name in self.base_columns if name not in columns]
        super().__init__(
            PageData(studies), order_by=(sort,), sequence=[*columns, *hidden], exclude=hidden
        )


# Everybody's; the others are there for who wants them.
MORE_COLUMNS = ("birth_date", "referrer", "received")
USUAL_COLUMNS = tuple(name for name in WorklistTable.base_columns if name not in MORE_COLUMNS)


def words_of(column: str) -> str:
    """What a column is called where there is room."""
    if column == "modality":
        return "Modality"
    return str(WorklistTable.base_columns[column].verbose_name)


# Long waits first on the first click; big studies and new dates too.
FIRST_CLICK_DESCENDING = {"study", "images"}


def sort_of(text: str | None) -> str:
    """A sort that exists: `patient`, `-study`; anything else is the default."""
    text = text or DEFAULT_SORT
    return text if text.removeprefix("-") in WorklistTable.base_columns else DEFAULT_SORT


def page_of(text: str | None) -> int:
    """A page number from 1; anything else is 1."""
    return min(max(int(text), 1), MAX_PAGE) if text and text.isdecimal() and len(text) < 8 else 1


def database_order(sort: str) -> list[str]:
    """The ORDER BY of a sort. Descending turns every part, so that the id still settles ties."""
    fields = list(WorklistTable.base_columns[sort.removeprefix("-")].order_by)
    return [f"-{field}" for field in fields] if sort.startswith("-") else fields


def ranked(queryset: StudyQuerySet, order: list[str]) -> StudyQuerySet:
    """Adds the ranks that the order needs."""
    names = {field.removeprefix("-") for field in order}
    with_ranks: StudyQuerySet = queryset.alias(
        **{name: case for name, case in RANKS.items() if name in names}
    )
    return with_ranks


@dataclass
class WorklistPage:
    """One page of the list. `count` is None where more than COUNT_CAP studies match."""

    studies: list[Study]
    number: int
    has_next: bool
    count: int | None
    sort: str

    @property
    def first(self) -> int:
        return (self.number - 1) * PAGE_SIZE + 1 if self.studies else 0

    @property
    def last(self) -> int:
        return (self.number - 1) * PAGE_SIZE + len(self.studies)

    @property
    def previous(self) -> int:
        return self.number - 1

    @property
    def next(self) -> int:
        return self.number + 1 if self.has_next else 0

    @property
    def order(self) -> list[str]:
        return database_order(self.sort)


def arms(filters: WorklistFilter, sites: list[int] | None) -> list[StudyQuerySet] | None:
    """One query for each pair of site and state, each in index order; None where that can't be.

    An index can give the order of work within one site and one state only, so the page is the
    merge of these. `sites` None: everything of every site, by the index without site.
    """
    base = filters.narrowed()
    chosen = filters.site_ids
    if chosen is not None:
        sites = [site for site in chosen if sites is None or site in sites]
    if sites is None:
        return [base.filter(reading_state=state) for state in filters.states]
    if len(sites) * len(filters.states) > MAX_ARMS:
        return None
    return [
        base.filter(site_id=site, reading_state=state) for site in sites for state in filters.states
    ] or [base.none()]


def worklist_page(
    filters: WorklistFilter, sort: str, number: int, *, sites: list[int] | None, by_grant: bool
) -> WorklistPage:
    """The rows of a page. `sites` None: a superuser. `by_grant`: some need a StudyGrant."""
    order = database_order(sort)
    offset = (number - 1) * PAGE_SIZE
    few = None if by_grant or filters.is_narrow or filters.is_work else fewest(filters)
    in_order = sort.removeprefix("-") == DEFAULT_SORT and not by_grant and not filters.is_narrow
    gathered = few is not None and few.is_worth_gathering(offset + PAGE_SIZE + 1)
    parts = arms(filters, sites) if in_order and not gathered else None
    if parts is None:
        matching = filters.matching()
        if few is not None and (gathered or few.is_worth_counting):
            matching = matching.filter(pk__in=few.ids)
        ids, count = _one_scan(matching, order, offset)
    else:
        ids = _merged(parts, order, offset)
        count = _counted(filters, few, offset, ids)
    rows = with_work(Study.objects.filter(pk__in=ids[:PAGE_SIZE])).in_bulk()
    return WorklistPage(
        studies=[rows[pk] for pk in ids[:PAGE_SIZE] if pk in rows],
        number=number,
        has_next=len(ids) > PAGE_SIZE,
        count=count if count <= COUNT_CAP else None,
        sort=sort,
    )


def _merged(parts: list[StudyQuerySet], order: list[str], offset: int) -> list[int]:
    columns = [field.removeprefix("-") for field in order]
    first, *others = [part.order_by().values_list(*columns) for part in parts]
    merged = first.union(*others, all=True) if others else first
    rows = merged.order_by(*order)[offset : offset + PAGE_SIZE + 1]
    return [row[-1] for row in rows]


def _counted(filters: WorklistFilter, few: Few | None, offset: int, ids: list[int]) -> int:
    """How many match, at most COUNT_CAP + 1; the last page says it by itself."""
    if len(ids) <= PAGE_SIZE and (ids or not offset):
        return min(offset + len(ids), COUNT_CAP + 1)
    matching = filters.matching()
    if few is not None and few.is_worth_counting:
        matching = matching.filter(pk__in=few.ids)
    return matching.order_by()[: COUNT_CAP + 1].count()


def _one_scan(matching: StudyQuerySet, order: list[str], offset: int) -> tuple[list[int], int]:
    """Ids of the page and the capped count from one pass over the studies that match."""
    queryset = ranked(matching, order).order_by(*order).values_list("id", flat=True)
    ids = list(queryset[: COUNT_CAP + 1])
    if offset + PAGE_SIZE + 1 <= len(ids) or len(ids) <= COUNT_CAP:
        return ids[offset : offset + PAGE_SIZE + 1], len(ids)
    return list(queryset[offset : offset + PAGE_SIZE + 1]), len(ids)


def sort_key(study: Study, sort: str) -> list[Any]:
    """The values that place a row, for the browser to compare with those of its neighbours."""
    values: list[Any] = []
    for field in WorklistTable.base_columns[sort.removeprefix("-")].order_by:
        if field in RANKS:
            choices = Arrival.values if field == "arrival_rank" else ReadingState.values
            current = study.arrival if field == "arrival_rank" else study.reading_state
            values.append(choices.index(current) if current in choices else len(choices))
        elif field == "received_at":
            values.append(study.received_at.astimezone(UTC).isoformat(timespec="microseconds"))
        elif field == "site__name":
            values.append(study.site.name)
        else:
            values.append(getattr(study, field))
    return values
