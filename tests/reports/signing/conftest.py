"""Drafts that are ready to be signed, and thin stand-ins for what other parts bring."""

from __future__ import annotations

import importlib.util
import re
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from pacs.accounts.models import Membership, Role, Site, User
from reports import document
from reports.models import Report
from studies.models import ReadingState, Study
from tests.conftest import person


def _absent(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is None
    except ModuleNotFoundError:
        return True


@pytest.fixture(autouse=True)
def _other_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading, cleaning and pictures where they are not there yet."""
    if _absent("studies.reading.services"):
        reading = types.ModuleType("studies.reading.services")

        def move(study_id: int, to: str, *, actor: Any, reader: Any, **origin: str) -> None:
            Study.objects.filter(pk=study_id).update(reading_state=to, reader=reader)

        reading.move = move  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "studies.reading.services", reading)
    if _absent("reports.writing.cleaning"):
        cleaning = types.ModuleType("reports.writing.cleaning")
        cleaning.plain_text = lambda html: re.sub(r"<[^>]+>", " ", html)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "reports.writing.cleaning", cleaning)


def written(findings: str = "<p>No infiltrate.</p>", impression: str = "<p>Normal.</p>") -> Any:
    """A document with findings and impression."""
    content = document.empty("CT chest")
    for section in content["sections"]:
        if section["key"] == "findings":
            section["html"] = findings
        if section["key"] == "impression":
            section["html"] = impression
    return content


@pytest.fixture
def draft_of() -> Callable[..., Report]:
    """`draft_of(study, user)`: the user reads the study and has a draft."""

    def make(study: Study, user: User, content: Any = None, **fields: Any) -> Report:
        Study.objects.filter(pk=study.pk).update(
            reader=user, reading_state=ReadingState.DRAFT, claimed_at=timezone.now()
        )
        return Report.objects.create(
            site=study.site,
            study=study,
            author=user,
            saved_by=user,
            content=content or written(),
            **fields,
        )

    return make


@pytest.fixture
def draft(study: Study, radiologist: User, draft_of: Callable[..., Report]) -> Report:
    """A draft of the radiologist's."""
    return draft_of(study, radiologist)


@pytest.fixture
def colleague(site: Site) -> User:
    """Another radiologist of the site."""
    return person("colleague", site, Role.RADIOLOGIST, first_name="Clara", last_name="Colleague")


@pytest.fixture
def resident(site: Site) -> User:
    """A radiologist whose reports need a second signature."""
    user = person("resident", site, Role.RADIOLOGIST, first_name="Rita", last_name="Resident")
    Membership.objects.filter(user=user).update(needs_cosignature=True)
    return user
