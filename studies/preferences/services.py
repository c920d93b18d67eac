"""Keeping a person's preferences, and what the viewer is told of them."""

from __future__ import annotations

import math
from typing import Any

from django.db import transaction

from pacs import audit
from studies.preferences.models import LONGEST_NAME, OwnWindow, ViewerPreferences
from studies.preferences.rules import NotKept, checked_buttons, checked_keys

MOST_WINDOWS = 60
UNITS = ("", "HU", "SUV")


def described(user_id: int) -> dict[str, Any]:
    """Keys, buttons and windows of a person; what is stored and does not hold is left out, and
    `isBroken` says so."""
    row = ViewerPreferences.objects.filter(pk=user_id).first()
    keys: dict[str, list[str]] = {}
    buttons: dict[str, str] = {}
    is_broken = False
    if row is not None:
        try:
            keys, buttons = checked_keys(row.keys), checked_buttons(row.buttons)
        except NotKept:
            keys, buttons, is_broken = {}, {}, True
    windows = [_window(each) for each in OwnWindow.objects.filter(owner=user_id)]
    return {"keys": keys, "buttons": buttons, "windows": windows, "isBroken": is_broken}


def keep(user: Any, *, keys: Any, buttons: Any, **origin: Any) -> None:
    """Keep what differs from the defaults; nothing at all is a reset. Raises NotKept."""
    keys, buttons = checked_keys(keys), checked_buttons(buttons)
    with transaction.atomic():
        ViewerPreferences.objects.update_or_create(
            user=user, defaults={"keys": keys, "buttons": buttons}
        )
        audit.record(
            "preferences.changed",
            actor=user,
            detail={"keys": len(keys), "buttons": len(buttons)},
            **origin,
        )


def keep_window(
    user: Any, *, modality: str, unit: str, name: str, center: float, width: float, **origin: Any
) -> OwnWindow:
    """Keep a window under a name; one of the same name and modality is replaced. Raises NotKept."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME:
        raise NotKept(f"Give the window a name of at most {LONGEST_NAME} characters.")
    if unit not in UNITS or not modality:
        raise NotKept("A window belongs to a modality.")
    if not (math.isfinite(center) and math.isfinite(width) and 0 < width < 1e12):
        raise NotKept("This is not a window.")
    with transaction.atomic():
        mine = OwnWindow.objects.select_for_update().filter(owner=user)
        same = {"modality": modality, "unit": unit, "name": name}
        if mine.count() >= MOST_WINDOWS and not mine.filter(**same).exists():
            raise NotKept(f"There are {MOST_WINDOWS} windows already. Remove one first.")
        found, _ = OwnWindow.objects.update_or_create(
            owner=user,
            modality=modality,
            unit=unit,
            name=name,
            defaults={"center": center, "width": width},
        )
        audit.record("window.kept", actor=user, detail={"window": found.pk}, **origin)
    return found


def remove_window(user: Any, pk: int, **origin: Any) -> bool:
    """False where there is no such window of this person."""
    with transaction.atomic():
        gone, _ = OwnWindow.objects.filter(owner=user, pk=pk).delete()
        if gone:
            audit.record("window.removed", actor=user, detail={"window": pk}, **origin)
    return bool(gone)


def windows_of(user: Any) -> list[dict[str, Any]]:
    """The person's windows as the viewer has them."""
    return [_window(each) for each in OwnWindow.objects.filter(owner=user)]


def _window(window: OwnWindow) -> dict[str, Any]:
    return {
        "id": window.pk,
        "modality": window.modality,
        "unit": window.unit,
        "name": window.name,
        "center": window.center,
        "width": window.width,
    }
