"""The start set: templates that come with the portal, in files of the folder `start`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from reports.errors import BadContent
from reports.templating import source
from reports.templating.models import ReportTemplate, TemplateVersion

FOLDER = Path(__file__).parent / "start"
_DETAILS = ("name", "language", "modalities", "body_parts", "procedure_codes")


@dataclass(frozen=True, slots=True)
class StartTemplate:
    """A file of the start set; `slug` is its name."""

    slug: str
    details: dict[str, Any]
    body: dict[str, Any]


def read_folder(folder: Path = FOLDER) -> list[StartTemplate]:
    """The files of a folder by name. Raises BadContent with the file's name and the line."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        head, _, text = path.read_text(encoding="utf-8").partition("\n# body\n")
        try:
            details = tomllib.loads(head)
            body = source.read(text)
        except (tomllib.TOMLDecodeError, BadContent) as error:
            raise BadContent(f"{path.name}: {error}", code="start-set") from error
        if unknown := set(details) - set(_DETAILS):
            raise BadContent(f"{path.name}: unknown {min(unknown)}", code="start-set")
        found.append(StartTemplate(path.stem, details, body))
    return found


def load(folder: Path = FOLDER) -> tuple[int, int]:
    """Have the database hold the start set; how many templates are new, and how many have a new
    version. What people here have changed, renamed or retired stays as it is.
    """
    made = renewed = 0
    for entry in read_folder(folder):
        with transaction.atomic():
            template, is_new = ReportTemplate.objects.get_or_create(
                slug=entry.slug, defaults=entry.details
            )
            ReportTemplate.objects.select_for_update().get(pk=template.pk)
            newest = template.versions.order_by("-number").first()
            if newest is not None and (newest.author_id is not None or newest.body == entry.body):
                continue
            TemplateVersion.objects.create(
                template=template, number=newest.number + 1 if newest else 1, body=entry.body
            )
        made, renewed = made + is_new, renewed + (not is_new)
    return made, renewed
