"""The answer of STOW-RS: which instances are stored, and why others are not (PS3.18 I)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from studies.dicom.errors import Reason


class Failure(IntEnum):
    """Failure Reason (0008,1197): PS3.18 table I.2-2 and PS3.7 annex C."""

    PROCESSING = 0x0110
    DUPLICATE = 0x0111
    INVALID_INSTANCE = 0x0117
    NOT_AUTHORIZED = 0x0124
    OUT_OF_RESOURCES = 0xA700
    MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000
    TRANSFER_SYNTAX = 0xC122


FAILURES: dict[Reason, Failure] = {
    Reason.EMPTY: Failure.CANNOT_UNDERSTAND,
    Reason.NOT_DICOM: Failure.CANNOT_UNDERSTAND,
    Reason.TOO_LARGE: Failure.OUT_OF_RESOURCES,
    Reason.BAD_STRUCTURE: Failure.CANNOT_UNDERSTAND,
    Reason.TOO_DEEP: Failure.CANNOT_UNDERSTAND,
    Reason.INFLATE_LIMIT: Failure.CANNOT_UNDERSTAND,
    Reason.BAD_UID: Failure.INVALID_INSTANCE,
    Reason.MISSING_UID: Failure.INVALID_INSTANCE,
    Reason.TRUNCATED_PIXELS: Failure.CANNOT_UNDERSTAND,
    Reason.BAD_PIXELS: Failure.MISMATCH,
    Reason.UNDECODABLE: Failure.CANNOT_UNDERSTAND,
    Reason.UNSUPPORTED_SYNTAX: Failure.TRANSFER_SYNTAX,
    Reason.CONFLICT: Failure.DUPLICATE,
    Reason.OTHER_PATIENT: Failure.MISMATCH,
    Reason.MISSING_BULK: Failure.MISMATCH,
    Reason.LEFT_AT_ORTHANC: Failure.OUT_OF_RESOURCES,
    Reason.NOT_COMPARED: Failure.DUPLICATE,
    Reason.DELETED: Failure.NOT_AUTHORIZED,
}
"""The one mapping from the door's reasons. There is no 0122: every SOP class is stored."""


@dataclass(slots=True)
class Fate:
    """What became of one part; UIDs are "" where they are unknown. Stored unless it has a failure.

    An image that was there already counts as stored.
    """

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    failure: Failure | None = None


def status_of(fates: Sequence[Fate]) -> int:
    """200 all stored, 202 some, 409 none (PS3.18 table 10.5.3-1)."""
    failed = sum(fate.failure is not None for fate in fates)
    if not failed:
        return 200
    return 409 if failed == len(fates) else 202


def body_of(fates: Sequence[Fate], root: str) -> bytes:
    """The Store Instances Response Module as DICOM JSON. `root`: the URL above `/studies`.

    A failure whose UIDs are unknown is in Other Failures Sequence (PS3.18 table I.2-1).
    """
    stored = [fate for fate in fates if fate.failure is None]
    failed = [fate for fate in fates if fate.failure is not None and fate.sop_instance_uid]
    others = [fate for fate in fates if fate.failure is not None and not fate.sop_instance_uid]
    body: dict[str, Any] = {}
    if failed:
        body["00081198"] = _sequence([{**_reference(one), **_failure(one)} for one in failed])
    if stored:
        body["00081199"] = _sequence(
            [{**_reference(one), "00081190": _value("UR", _url(one, root))} for one in stored]
        )
    if others:
        body["0008119A"] = _sequence([_failure(one) for one in others])
    studies = {one.study_instance_uid for one in stored}
    if len(studies) == 1:
        body["00081190"] = _value("UR", f"{root}/studies/{studies.pop()}")
    return json.dumps(dict(sorted(body.items())), separators=(",", ":")).encode()


def _url(fate: Fate, root: str) -> str:
    return (
        f"{root}/studies/{fate.study_instance_uid}/series/{fate.series_instance_uid}"
        f"/instances/{fate.sop_instance_uid}"
    )


def _value(vr: str, value: str | int) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


def _sequence(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": items}


def _reference(fate: Fate) -> dict[str, Any]:
    sop_class = fate.sop_class_uid
    return {
        "00081150": _value("UI", sop_class) if sop_class else {"vr": "UI"},
        "00081155": _value("UI", fate.sop_instance_uid),
    }


def _failure(fate: Fate) -> dict[str, Any]:
    return {"00081197": _value("US", int(fate.failure or 0))}
