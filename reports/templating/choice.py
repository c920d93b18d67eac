"""Which template fits a study."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.db.models import Max, Q

from pacs.accounts.principal import principal_or_none
from reports.templating.models import Macro, ReportTemplate
from studies.dicom.charset import search_key
from studies.models import Series, Study
from studies.orders.models import Order

# Of a study of several modalities, what makes the study what it is; the rest accompanies it.
_LEADING = frozenset({"PT", "NM"})
_ACCOMPANYING = frozenset({"SR", "PR", "KO", "SEG", "REG", "OT", "DOC", "SC", "AU", "RTSTRUCT"})
_NOT_WORDS = re.compile(r"[^\w]+")
_LEAST_FOR_PREFIX = 4
MATCH, OPEN, MISMATCH = 2, 1, 0


def choose(study: Study, who: Any) -> list[ReportTemplate]:
    """Templates that the person may use for the study, best first, each with `fits` and
    `newest_number`.

    What counts, in this order: the procedure code of the study's order, modality, body part (Body
    Part Examined, and words of the descriptions), the site's language, own before the site's before
    everybody's. `fits` is false for those of another modality or body part. Four queries.
    """
    principal = principal_or_none(who)
    if principal is None:
        return []
    orders = list(Order.objects.filter(study=study))
    codes = {order.requested_procedure_code for order in orders} - {""}
    modalities = modalities_of(study)
    parts = Series.objects.filter(study=study).values_list("body_part_examined", flat=True)
    words = _words(
        [
            study.body_part_examined,
            *set(parts),
            study.study_description,
            *(order.requested_procedure_description for order in orders),
        ]
    )
    language = _language(study)
    ranked = []
    for template in (
        _usable(ReportTemplate.objects.visible_to(principal), study)
        .filter(is_active=True)
        .annotate(newest_number=Max("versions__number"))
        .exclude(newest_number=None)
    ):
        coded = bool(codes & set(template.procedure_codes))
        by_modality = _fits(modalities, template.modalities)
        matched = sum(_mentions(words, part) for part in template.body_parts)
        by_part = OPEN if not template.body_parts else MISMATCH if not matched else MATCH
        template.fits = coded or (by_modality != MISMATCH and by_part != MISMATCH)
        key = (
            *(-coded, -by_modality, -by_part, -min(matched, 3)),
            *(template.language.split("-")[0] != language, _distance(template), template.name),
        )
        ranked.append((key, template.pk, template))
    return [template for _, _, template in sorted(ranked, key=lambda entry: entry[:2])]


def macros(study: Study, who: Any) -> list[Macro]:
    """The macros that somebody has for a study. Of one abbreviation the own comes before the
    site's before everybody's: the first that fits its section and language counts.
    """
    modalities = modalities_of(study)
    found = [
        macro
        for macro in _usable(Macro.objects.visible_to(who), study)
        if _fits(modalities, macro.modalities) != MISMATCH
    ]
    return sorted(found, key=lambda macro: (macro.abbreviation, _distance(macro)))


def modalities_of(study: Study) -> set[str]:
    """The modalities that decide on a template: of PET/CT only PET's."""
    given = set(study.modality_list)
    return given & _LEADING or given - _ACCOMPANYING or given


def scope_of(row: ReportTemplate | Macro) -> str:
    """`personal`, `site` or `everybody`."""
    return ("personal", "site", "everybody")[_distance(row)]


def _usable(rows: Any, study: Study) -> Any:
    """Not another site's, which the person sees as well."""
    return rows.filter(Q(site=None) | Q(site=study.site_id))


def _distance(row: ReportTemplate | Macro) -> int:
    return 0 if row.owner_id else 1 if row.site_id else 2


def _fits(of_study: set[str], listed: list[str]) -> int:
    if not listed:
        return OPEN
    return MATCH if of_study & set(listed) else MISMATCH


def _words(texts: Iterable[str]) -> str:
    return f" {' '.join(_folded(text) for text in texts if text)} "


def _folded(text: str) -> str:
    return " ".join(_NOT_WORDS.sub(" ", search_key(text)).replace("_", " ").split())


def _mentions(words: str, part: str) -> bool:
    """Whether a part of the body is named: as words, or as the beginning of one (Kniegelenk)."""
    folded = _folded(part)
    if not folded:
        return False
    return (f" {folded}" if len(folded) >= _LEAST_FOR_PREFIX else f" {folded} ") in words


def _language(study: Study) -> str:
    from reports.letterhead.models import Letterhead

    found = Letterhead.objects.filter(site=study.site_id).values_list("language", flat=True).first()
    return (found or "en").split("-")[0]
