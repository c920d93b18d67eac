"""Facts of patient and study that a report may be given, ready to be put into its text."""

from __future__ import annotations

from reports.templating.inserts import facts
from studies.models import Study

LONGEST = 600


def insertable(study: Study, language: str = "en") -> list[dict[str, str]]:
    """`{"label", "text"}` of each fact that is known, the likely ones first. Text, no markup."""
    known = facts(study, language)
    inserts, order, details = known["inserts"], known["order"] or {}, known["study"]
    sex_age = [inserts[name] for name in ("patient_sex", "patient_age")]
    whole = ", ".join(text for text in sex_age if not text.startswith("["))
    found = [
        ("Sex and age", whole),
        ("Comparison", inserts["comparison"]),
        ("Reason for the examination", order.get("reason", "")),
        ("Procedure", order.get("description", "") or details["description"]),
        ("Date of the examination", inserts["study_date"]),
        ("Referrer", inserts["referrer"]),
        ("Accession number", details["accession_number"]),
    ]
    return [
        {"label": label, "text": text[:LONGEST]}
        for label, text in found
        if text and not text.startswith("[")
    ]
