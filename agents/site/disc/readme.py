"""README.TXT of a disc: what is on it and how to open it, for whoever finds it in a letter."""

from __future__ import annotations

from datetime import date
from typing import Any

SYNTAXES = {
    "1.2.840.10008.1.2": "Implicit VR Little Endian",
    "1.2.840.10008.1.2.1": "Explicit VR Little Endian",
    "1.2.840.10008.1.2.1.99": "Deflated Explicit VR Little Endian",
    "1.2.840.10008.1.2.2": "Explicit VR Big Endian",
    "1.2.840.10008.1.2.4.50": "JPEG Baseline",
    "1.2.840.10008.1.2.4.51": "JPEG Extended",
    "1.2.840.10008.1.2.4.57": "JPEG Lossless",
    "1.2.840.10008.1.2.4.70": "JPEG Lossless SV1",
    "1.2.840.10008.1.2.4.80": "JPEG-LS Lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS Near-Lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 Lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000 Lossless",
    "1.2.840.10008.1.2.4.203": "High-Throughput JPEG 2000",
    "1.2.840.10008.1.2.5": "RLE Lossless",
}
EXPLICIT = "1.2.840.10008.1.2.1"
PROFILES = (
    ("STD-GEN-CD", {EXPLICIT}),
    (
        "STD-GEN-DVD-JPEG",
        {EXPLICIT, *(f"1.2.840.10008.1.2.4.{each}" for each in (50, 51, 70))},
    ),
    ("STD-GEN-DVD-J2K", {EXPLICIT, *(f"1.2.840.10008.1.2.4.{each}" for each in (90, 91))}),
)
"""General purpose profiles by the transfer syntaxes that they permit (PS3.11 D and H)."""


def profile_of(syntaxes: set[str]) -> str:
    """The application profile whose transfer syntaxes these are; "" for none."""
    return next((name for name, permitted in PROFILES if syntaxes <= permitted), "")


def note_on(syntaxes: set[str]) -> str:
    """What a disc's reader should know of how the images are stored; "" for nothing."""
    if profile_of(syntaxes) == "STD-GEN-CD":
        return ""
    names = ", ".join(sorted(SYNTAXES.get(each, each) for each in syntaxes))
    profile = profile_of(syntaxes)
    kept = f"The images are on this disc as they were received: {names}."
    if profile:
        return f"{kept} That is the DICOM profile {profile}."
    return f"{kept} No DICOM profile for discs covers that: an old viewer may not show all of them."


def text(summary: dict[str, Any], *, institution: str, made: date, has_viewer: bool) -> str:
    """The whole text, with the line ends of Windows' editor."""
    lines = ["MEDICAL IMAGES", ""]
    if institution:
        lines += [f"Made by {institution} on {made:%Y-%m-%d}.", ""]
    else:
        lines += [f"Made on {made:%Y-%m-%d}.", ""]
    for patient in summary["patients"]:
        born = f", born {_day(patient['born'])}" if patient["born"] else ""
        lines.append(f"Patient: {patient['name'] or 'no name'}{born}")
    lines += ["", "On this disc:"]
    for study in summary["studies"]:
        parts = (_day(study["date"]), study["modalities"], study["description"])
        words = ", ".join(part for part in parts if part) or "study"
        lines.append(f"  {words}: {study['images']} image{'' if study['images'] == 1 else 's'}")
    lines += [
        "",
        "How to see them: give the disc to the doctor or hospital that asked for it. Their",
        "programs find the images by the file DICOMDIR. The names of the other files mean nothing.",
    ]
    if has_viewer:
        lines += ["A program that shows the images is in the folder VIEWER."]
    if note := note_on(set(summary["syntaxes"])):
        lines += ["", *_wrapped(note)]
    lines += [
        "",
        "The disc holds personal health data. If you have found it, please give it back",
        "to whoever made it. The images are copies: nothing is lost when the disc is destroyed.",
        "",
    ]
    return "\r\n".join(lines)


def _day(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else text


def _wrapped(text: str, width: int = 88) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
