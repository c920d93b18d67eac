"""The administrator's viewer for discs: copied only while it is, file for file, what was named."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

FOLDER = "VIEWER"


class ViewerError(Exception):
    """Why the viewer is not put on a disc, in words."""


def digest_of(folder: Path) -> str:
    """One SHA-256 for a folder. Raises ViewerError, OSError.

    What `find . -type f | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum` prints there.
    """
    whole = hashlib.sha256()
    for path in _files(folder):
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{found}  ./{path.relative_to(folder)}\n".encode())
    return whole.hexdigest()


def copy(folder: Path, root: Path, sha256: str) -> None:
    """Copy the viewer into `root`; what was copied is checked. Raises ViewerError, OSError."""
    target = root / FOLDER
    for path in _files(folder):
        to = target / path.relative_to(folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
    if digest_of(target) != sha256:
        shutil.rmtree(target)
        raise ViewerError(
            "The viewer for discs is not the one that the agent's configuration names "
            "(viewer_sha256). Nothing was written."
        )


def size_of(folder: Path) -> int:
    """Bytes of all files. Raises ViewerError, OSError."""
    return sum(path.stat().st_size for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    """Every file below, in the order of the C locale. Links and odd names are refused."""
    found: list[tuple[bytes, Path]] = []
    for place, folders, names in os.walk(folder, onerror=_raise):
        for name in [*folders, *names]:
            path = Path(place) / name
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise ViewerError("The viewer for discs holds a link or a special file.")
            if "\\" in name or "\n" in name:
                raise ViewerError("The viewer for discs holds a file with an odd name.")
        for name in names:
            path = Path(place) / name
            found.append((os.fsencode(f"./{path.relative_to(folder)}"), path))
    if not found:
        raise ViewerError("The folder of the viewer for discs is empty.")
    return [path for _, path in sorted(found)]


def _raise(error: OSError) -> None:
    raise error
