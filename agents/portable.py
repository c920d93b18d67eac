"""A study as another reader takes it: what a patient disc holds, as a ZIP and without an agent.

The maker of discs gets the heads of the images only, in a process of its own, and says where each
has its place; the images themselves go out as a stream.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from agents.errors import NotPossible
from studies.dicom.errors import GateError
from studies.dicom.header import read_open
from studies.errors import PermanentError
from studies.exports.deidentified import images_of
from studies.exports.zipped import Member, zip_pieces
from studies.models import Instance, Study
from studies.services.outgoing import dicom_bytes

MAKER = "agents.site.disc.fileset"
MOST_SECONDS = 600
ALSO = ("DICOMDIR", "README.TXT")


@dataclass(frozen=True, slots=True)
class Portable:
    """Images with their places, and the directory and the note that go with them."""

    images: list[tuple[str, Instance]]
    also: dict[str, bytes]

    def pieces(self) -> Iterator[bytes]:
        """The ZIP. Directory and note come first: whoever unpacks sees what it is."""
        return zip_pieces(self._members())

    def _members(self) -> Iterator[Member]:
        for name, content in self.also.items():
            yield Member(name, partial(iter, [content]))
        for place, instance in self.images:
            yield Member(place, dicom_bytes(instance).chunks)


def portable(study: Study) -> Portable:
    """The files of a study with a DICOMDIR (PS3.10 8). Raises NotPossible, in words for people."""
    images = images_of(study)
    if not images:
        raise NotPossible("This study has no images.")
    base = Path(settings.CACHE_DIR)
    base.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="export-", dir=base) as folder:
            files, root = Path(folder) / "files", Path(folder) / "root"
            files.mkdir()
            for number, instance in enumerate(images):
                with dicom_bytes(instance).open() as file:
                    _copy_head(file, files / f"{number:08d}")
            places = _made(files, root, study)
            also = {name: (root / name).read_bytes() for name in ALSO}
    except OSError as error:
        raise NotPossible("The portal's disk has no room for this now.") from error
    except (GateError, PermanentError) as error:
        raise NotPossible(
            "An image of this study cannot be read. Nothing was exported; tell the administrator."
        ) from error
    placed = [(places[f"{number:08d}"], instance) for number, instance in enumerate(images)]
    return Portable(sorted(placed, key=lambda each: each[0]), also)


def _copy_head(file: IO[bytes], path: Path) -> None:
    """What stands before the pixel data, as it is."""
    _, end = read_open(file, ("SOPInstanceUID",))
    file.seek(0)
    with path.open("wb") as out:
        while end and (piece := file.read(min(end, 1 << 20))):
            out.write(piece)
            end -= len(piece)


def _made(files: Path, root: Path, study: Study) -> dict[str, str]:
    asked: dict[str, Any] = {
        "files": str(files),
        "root": str(root),
        "institution": study.site.name,
        "viewer": False,
        "places": True,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", MAKER],
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=MOST_SECONDS,
            cwd=settings.BASE_DIR,
            check=False,
        )
        found: dict[str, str] = json.loads(done.stdout)["places"] if done.returncode == 0 else {}
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        found = {}
    if not found:
        shutil.rmtree(root, ignore_errors=True)
        raise NotPossible(
            "No directory can be made of these images: a disc can hold no such study."
        )
    return found
