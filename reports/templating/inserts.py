"""Facts of a study for templates, macros and insertion, in words of the report's language."""

from __future__ import annotations

import re
from datetime import date
from html import escape
from typing import Any

from django.db.models import Q

from reports.writing import characters
from studies.dicom.charset import display_name
from studies.models import Study
from studies.orders.models import Order

PLACEHOLDERS = ("patient_age", "patient_sex", "study_date", "comparison", "referrer")
_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_AGE = re.compile(r"(\d{3})([DWMY])", re.ASCII)

# Of each language: units of age (one, several), sexes, a date, a prior, none, not known.
_WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "Y": ("year", "years"),
        "M": ("month", "months"),
        "W": ("week", "weeks"),
        "D": ("day", "days"),
        "sex": {"F": "female", "M": "male", "O": "other"},
        "date": "%Y-%m-%d",
        "prior": "{what} of {day}",
        "study": "Study",
        "undated": "an unknown date",
        "none": "None available",
        "unknown": {
            "patient_age": "[age not known]",
            "patient_sex": "[sex not known]",
            "study_date": "[date not known]",
            "referrer": "[referrer not known]",
        },
    },
    "de": {
        "Y": ("Jahr", "Jahre"),
        "M": ("Monat", "Monate"),
        "W": ("Woche", "Wochen"),
        "D": ("Tag", "Tage"),
        "sex": {"F": "weiblich", "M": "männlich", "O": "divers"},
        "date": "%d.%m.%Y",
        "prior": "{what} vom {day}",
        "study": "Untersuchung",
        "undated": "unbekanntem Datum",
        "none": "Keine Voruntersuchung vorhanden",
        "unknown": {
            "patient_age": "[Alter unbekannt]",
            "patient_sex": "[Geschlecht unbekannt]",
            "study_date": "[Datum unbekannt]",
            "referrer": "[Zuweiser unbekannt]",
        },
    },
}


def facts(study: Study, language: str = "en") -> dict[str, Any]:
    """`patient`, `study`, `order` (or None) and `comparison` (or None) as the index has them, and
    `inserts`: the text of each of PLACEHOLDERS. At most two queries.
    """
    words = _WORDS.get(language.split("-")[0].lower(), _WORDS["en"])
    order = Order.objects.filter(study=study).order_by("id").first()
    prior = last_prior(study)
    age = _age(study)
    sex = study.patient_sex.strip().upper()[:1]
    referrer = display_name(
        study.referring_physician_name or (order.referring_physician_name if order else "")
    )
    unknown = words["unknown"]
    inserts = {
        "patient_age": f"{age[0]} {words[age[1]][age[0] != 1]}" if age else "",
        "patient_sex": words["sex"].get(sex, ""),
        "study_date": _day(study.study_day, words),
        "comparison": _prior_words(prior, words) if prior else words["none"],
        "referrer": referrer,
    }
    return {
        "patient": {
            "id": study.patient_id,
            "name": study.display_name,
            "birth_date": study.patient_birth_date,
            "sex": study.patient_sex,
            "age": inserts["patient_age"],
        },
        "study": {
            "date": study.study_day.isoformat() if study.study_day else "",
            "description": characters.line(study.study_description),
            "modalities": study.modality_list,
            "body_part": study.body_part_examined,
            "accession_number": study.accession_number,
        },
        "order": {
            "code": order.requested_procedure_code,
            "description": characters.line(order.requested_procedure_description),
            "reason": characters.clean(order.reason),
        }
        if order
        else None,
        "comparison": {
            "study": prior.pk,
            "date": prior.study_day.isoformat() if prior.study_day else "",
            "description": characters.line(prior.study_description),
        }
        if prior
        else None,
        "inserts": {name: characters.line(text) or unknown[name] for name, text in inserts.items()},
    }


def last_prior(study: Study) -> Study | None:
    """The study before this one of the same patient at the site."""
    others = Study.objects.filter(patient_ref=study.patient_ref_id, site=study.site_id).exclude(
        pk=study.pk
    )
    if study.study_day is None:
        earlier = Q(received_at__lt=study.received_at)
    else:
        earlier = Q(study_day__lt=study.study_day) | Q(
            study_day=study.study_day, received_at__lt=study.received_at
        )
    found: Study | None = others.filter(earlier).order_by("-sort_day", "-received_at").first()
    return found


def expand(html: str, inserts: dict[str, str]) -> str:
    """Markup with its placeholders replaced by escaped text, each once: facts hold no placeholders
    and no markup.
    """
    return _PLACEHOLDER.sub(lambda found: escape(inserts[found[1]], quote=False), html)


def expand_line(text: str, inserts: dict[str, str]) -> str:
    """The same for text that is no markup."""
    return _PLACEHOLDER.sub(lambda found: inserts[found[1]], text)


def _age(study: Study) -> tuple[int, str] | None:
    """PatientAge (PS3.5 6.2 AS), else from birth and study dates; the unit D, W, M or Y."""
    if found := _AGE.fullmatch(study.patient_age.strip().upper()):
        return int(found[1]), found[2]
    born = study.patient_birth_date
    if study.study_day is None or not (len(born) == 8 and born.isascii() and born.isdigit()):
        return None
    try:
        birth = date(int(born[:4]), int(born[4:6]), int(born[6:]))
    except ValueError:
        return None
    day = study.study_day
    months = (day.year - birth.year) * 12 + day.month - birth.month - (day.day < birth.day)
    if months < 0:
        return None
    if months >= 24:
        return months // 12, "Y"
    return (months, "M") if months >= 2 else ((day - birth).days, "D")


def _day(day: date | None, words: dict[str, Any]) -> str:
    return day.strftime(words["date"]) if day else ""


def _prior_words(prior: Study, words: dict[str, Any]) -> str:
    what = characters.line(prior.study_description) or prior.modalities or words["study"]
    return str(words["prior"]).format(
        what=what.replace("{", "(").replace("}", ")"),
        day=_day(prior.study_day, words) or words["undated"],
    )
