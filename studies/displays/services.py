"""Keeping checks of displays, and which was the last."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from pacs import audit
from studies.displays.models import DisplayCheck
from studies.displays.questions import LETTERS, QUESTIONS

SHOWN = 10


def keep(user: Any, facts: dict[str, Any], **origin: Any) -> DisplayCheck:
    """Keep what the form has passed."""
    answers = {name: facts[name] for name in (*QUESTIONS, *LETTERS)}
    with transaction.atomic():
        check = DisplayCheck.objects.create(
            checker=user,
            workstation=facts["workstation"],
            width=facts["width"],
            height=facts["height"],
            ratio=facts["ratio"],
            remarks=facts["remarks"],
            answers=answers,
            is_fine=all(answers[name] == "yes" for name in QUESTIONS),
        )
        audit.record(
            "display.checked",
            actor=user,
            detail={"check": check.pk, "fine": check.is_fine},
            **origin,
        )
    return check


def of_person(user_id: int) -> list[DisplayCheck]:
    """The person's last checks, newest first."""
    return list(DisplayCheck.objects.filter(checker=user_id)[:SHOWN])


def last_at(user_id: int) -> datetime | None:
    """When the person checked a display last."""
    at: datetime | None = (
        DisplayCheck.objects.filter(checker=user_id).values_list("at", flat=True).first()
    )
    return at
