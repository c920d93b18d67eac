"""What is looked at before a report is signed. Pure; knows no Django.

`check` compares the words of a report with what header, order and patient say. A finding is a
warning that the signer answers, or blocks; a note says what could not be checked: without a side
in order or header, the side is "not checkable", never "passed".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.checks import completeness, dates, identity, laterality, quantities, sex
from reports.checks.finding import BLOCKING, NOTE, WARNING, Finding
from reports.checks.words import Text, read

__all__ = ["BLOCKING", "NOTE", "WARNING", "Finding", "check"]

CHECKS = (
    completeness.check,
    laterality.check,
    sex.check,
    identity.check,
    quantities.check,
    dates.check,
)


def check(document: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Finding]:
    """Findings on a document (or frozen content), blocking ones first, each once.

    `facts`: `patient` {"id", "name", "birth_date", "sex"}, `study` {"description", "date",
    "body_part"}, `order` {"description", "reason"} or None, `series` [{"laterality", "description",
    "body_part"}]; and where they are known `today` (ISO), `required` [{"section", "key",
    "label"}] of the template, `open_patients` [{"id", "name"}] of other patients whose images are
    open. What is left out is not compared.
    """
    text: Text = read(document)
    found: dict[str, Finding] = {}
    for each in CHECKS:
        for finding in each(text, document, facts):
            found.setdefault(finding.key, finding)
    order = (BLOCKING, WARNING, NOTE)
    return sorted(found.values(), key=lambda finding: order.index(finding.severity))
