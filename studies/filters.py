"""What the worklist can be narrowed by, and how much of it may stand in a URL."""

from __future__ import annotations

import datetime
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import django_filters
from django import forms
from django.db import connection
from django.db.models import F, Q, Value
from django.db.models.functions import Concat
from django.http import QueryDict
from django.utils import timezone

from pacs.accounts.models import Site
from studies import searchindex
from studies.dicom.charset import search_key
from studies.models import Arrival, ReadingState, Study
from studies.reading import clocks
from studies.reading.states import BEING_READ

if TYPE_CHECKING:
    from django.http import HttpRequest

    from pacs.accounts.principal import Principal
    from studies.managers import StudyQuerySet

UNREAD_WORK = (
    ReadingState.UNREAD.value,
    ReadingState.CLAIMED.value,
    ReadingState.DRAFT.value,
    ReadingState.PRELIMINARY.value,
)
STATE_CHOICES = [
    ("work", "Unread work"),
    ("all", "All states"),
    *[(str(value), str(label)) for value, label in ReadingState.choices],
]
DATE_CHOICES = [
    ("all", "All dates"),
    ("today", "Today"),
    ("yesterday", "Yesterday"),
    ("3d", "Last 3 days"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
    ("range", "From … to …"),
]
# PS3.3 C.7.3.1.1.1, the ones that people filter by.
MODALITY_CHOICES = [
    ("CT", "CT"),
    ("MR", "MR"),
    ("CR", "CR"),
    ("DX", "DX"),
    ("US", "US"),
    ("MG", "MG"),
    ("NM", "NM"),
    ("PT", "PT"),
    ("XA", "XA"),
    ("RF", "RF"),
    ("OT", "OT"),
    ("SR", "SR"),
    ("SC", "SC"),
    ("ECG", "ECG"),
    ("ES", "ES"),
    ("IVUS", "IVUS"),
    ("OP", "OP"),
    ("OPT", "OPT"),
    ("RTSTRUCT", "RTSTRUCT"),
    ("SEG", "SEG"),
]
SHOW_CHOICES = [
    ("", "Everybody's"),
    ("assigned", "Assigned to me"),
    ("reading", "Read by me"),
    ("overdue", "Overdue"),
]
DEFAULTS = {"state": "work", "date": "all"}
MAX_WORDS = 8


def exact_number(text: str) -> str | None:
    """`=A4711`, as a scanner's code is searched for: the number. None for words."""
    text = text.strip()
    return text[1:].strip() or None if text.startswith("=") else None


class WorklistFilter(django_filters.FilterSet):
    """The filter bar. Whatever is not understood is ignored, so an old bookmark still opens.

    `q` is free text and may hold a patient's name: it is read from a POST body only.
    """

    q = django_filters.CharFilter(
        method="by_text",
        label="Search",
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "id": "search",
                "class": "field",
                "placeholder": "Name, ID, accession or description",
                "autocomplete": "off",
                "autocapitalize": "off",
                "spellcheck": "false",
                "maxlength": 120,
                "dir": "auto",
            }
        ),
    )
    date = django_filters.ChoiceFilter(
        method="by_date",
        choices=DATE_CHOICES,
        empty_label=None,
        label="Study date",
        widget=forms.Select(attrs={"class": "field", "aria-label": "Study date"}),
    )
    date_from = django_filters.DateFilter(
        method="by_date_from",
        label="From",
        widget=forms.DateInput(
            attrs={"type": "date", "class": "field", "aria-label": "From study date"},
            format="%Y-%m-%d",
        ),
    )
    date_to = django_filters.DateFilter(
        method="by_date_to",
        label="To",
        widget=forms.DateInput(
            attrs={"type": "date", "class": "field", "aria-label": "To study date"},
            format="%Y-%m-%d",
        ),
    )
    modality = django_filters.MultipleChoiceFilter(
        method="by_modality",
        choices=MODALITY_CHOICES,
        label="Modality",
        widget=forms.CheckboxSelectMultiple,
    )
    site = django_filters.ModelMultipleChoiceFilter(
        method="by_site",
        queryset=Site.objects.none(),
        label="Site",
        widget=forms.CheckboxSelectMultiple,
    )
    state = django_filters.ChoiceFilter(
        method="by_state",
        choices=STATE_CHOICES,
        empty_label=None,
        label="State",
        widget=forms.Select(attrs={"class": "field", "aria-label": "State"}),
    )
    arrival = django_filters.ChoiceFilter(
        field_name="arrival",
        choices=Arrival.choices,
        empty_label="Any arrival",
        label="Arrival",
        widget=forms.Select(attrs={"class": "field", "aria-label": "Arrival"}),
    )
    show = django_filters.ChoiceFilter(
        method="by_show",
        choices=SHOW_CHOICES[1:],
        empty_label=SHOW_CHOICES[0][1],
        label="Whose",
        widget=forms.Select(attrs={"class": "field", "aria-label": "Whose work"}),
    )

    class Meta:
        model = Study
        fields: list[str] = []

    def __init__(
        self, request: HttpRequest, principal: Principal, sites: list[Site], *, with_text: bool
    ) -> None:
        """`sites` are the principal's own; `with_text` says that the data came in a POST body."""
        source = request.POST if with_text else request.GET
        data = QueryDict(mutable=True)
        for name in self.base_filters:
            if name != "q" or with_text:
                data.setlist(name, source.getlist(name))
        for name, default in DEFAULTS.items():
            if not data.get(name):
                data[name] = default
        self.sites = sites
        self.principal = principal
        super().__init__(data, request=request, queryset=Study.objects.visible_to(principal))
        self.filters["site"].queryset = Site.objects.filter(pk__in=[site.pk for site in sites])
        self.form.is_valid()

    def cleaned(self, name: str) -> Any:
        """The value of a field, None where it was refused."""
        return self.form.cleaned_data.get(name)

    @property
    def words(self) -> list[str]:
        """The search words, folded as `Study.search_text` is."""
        return search_key(str(self.cleaned("q") or "")).split()[:MAX_WORDS]

    @property
    def states(self) -> list[str]:
        """The reading states that the list may show."""
        chosen = str(self.cleaned("state") or "work")
        if chosen == "work" or (chosen == "all" and self.cleaned("show") == "overdue"):
            return list(UNREAD_WORK)
        return [str(value) for value in ReadingState.values] if chosen == "all" else [chosen]

    @property
    def site_ids(self) -> list[int] | None:
        """The chosen sites, None for all of the user's."""
        chosen = self.cleaned("site")
        return sorted(site.pk for site in chosen) if chosen else None

    @property
    def is_work(self) -> bool:
        """Whether the list is narrowed to unread work."""
        return self.states == list(UNREAD_WORK)

    @property
    def is_narrow(self) -> bool:
        """Whether an index of its own gives the few that match."""
        return bool(self.words) or self.cleaned("show") in {"assigned", "reading"}

    @property
    def is_default(self) -> bool:
        return not self.words and not self.url_parameters()

    def url_parameters(self) -> list[tuple[str, str]]:
        """What may stand in a URL: every choice that is not the default, never the free text."""
        parameters: list[tuple[str, str]] = []
        for name in self.base_filters:
            if name == "q" or name in self.form.errors:
                continue
            if name in {"date_from", "date_to"} and self.cleaned("date") != "range":
                continue
            for value in self.data.getlist(name):
                if value and value != DEFAULTS.get(name):
                    parameters.append((name, value))
        return parameters

    def url_query(self, **extra: str | int) -> str:
        """The query string of this list without free text; `extra` adds sort and page."""
        pairs = [*self.url_parameters(), *[(k, str(v)) for k, v in extra.items() if v]]
        return urlencode(pairs)

    def narrowed(self) -> StudyQuerySet:
        """The user's studies that match everything except reading state and site.

        State and site are left to the paging, which asks for each pair by index.
        """
        queryset: StudyQuerySet = self.queryset
        for name in ("q", "date", "date_from", "date_to", "modality", "arrival", "show"):
            value = self.cleaned(name)
            if value not in (None, "", []):
                queryset = self.filters[name].filter(queryset, value)
        return queryset

    def matching(self) -> StudyQuerySet:
        """The user's studies that match everything."""
        queryset = self.narrowed().filter(reading_state__in=self.states)
        return queryset if self.site_ids is None else queryset.filter(site_id__in=self.site_ids)

    def by_text(self, queryset: StudyQuerySet, name: str, value: str) -> StudyQuerySet:
        if (exact := exact_number(value)) is not None:
            return queryset.filter(Q(accession_number=exact) | Q(patient_id=exact))
        candidates = searchindex.text_candidates(self.words, searchindex.FEW, connection)
        if candidates is not None:
            queryset = queryset.filter(pk__in=candidates)
        for word in self.words:
            queryset = queryset.filter(search_text__contains=word)
        return queryset

    def by_date(self, queryset: StudyQuerySet, name: str, value: str) -> StudyQuerySet:
        if value == "range":
            return queryset
        first, last = self.days
        return queryset.filter(study_day__range=(first, last)) if first else queryset

    @property
    def days(self) -> tuple[datetime.date | None, datetime.date | None]:
        """The first and last study day that are asked for; None is without an end."""
        value = str(self.cleaned("date") or "")
        if value == "range":
            return self.cleaned("date_from"), self.cleaned("date_to")
        today = timezone.localdate()
        if value == "yesterday":
            return today - timedelta(days=1), today - timedelta(days=1)
        if value == "today":
            return today, today
        if days := re.fullmatch(r"(\d+)d", value):
            return today - timedelta(days=int(days[1]) - 1), today
        return None, None

    def by_date_from(
        self, queryset: StudyQuerySet, name: str, value: datetime.date
    ) -> StudyQuerySet:
        return queryset.filter(study_day__gte=value) if self.is_range else queryset

    def by_date_to(self, queryset: StudyQuerySet, name: str, value: datetime.date) -> StudyQuerySet:
        return queryset.filter(study_day__lte=value) if self.is_range else queryset

    @property
    def is_range(self) -> bool:
        return bool(self.cleaned("date") == "range")

    def by_modality(self, queryset: StudyQuerySet, name: str, value: list[str]) -> StudyQuerySet:
        matches = Q()
        for modality in value:
            matches |= Q(slashed__contains=f"/{modality}/")
        slashed = Concat(Value("/"), F("modalities"), Value("/"))
        found: StudyQuerySet = queryset.alias(slashed=slashed).filter(matches)
        return found

    def by_show(self, queryset: StudyQuerySet, name: str, value: str) -> StudyQuerySet:
        if value == "assigned":
            return queryset.filter(assigned_to=self.principal.user_id)
        if value == "reading":
            return queryset.filter(reader=self.principal.user_id, reading_state__in=BEING_READ)
        return queryset.filter(clocks.overdue([site.pk for site in self.sites]))

    def by_site(self, queryset: StudyQuerySet, name: str, value: list[Site]) -> StudyQuerySet:
        return queryset.filter(site__in=value)

    def by_state(self, queryset: StudyQuerySet, name: str, value: str) -> StudyQuerySet:
        return queryset.filter(reading_state__in=self.states)

    @property
    def modality_summary(self) -> str:
        return ", ".join(self.cleaned("modality") or []) or "Any modality"

    @property
    def site_summary(self) -> str:
        chosen = self.cleaned("site")
        return ", ".join(site.name for site in chosen) if chosen else "All sites"
