"""What other apps know about why a study, or a file, must stay: `studies` imports none of them."""

from __future__ import annotations

from collections.abc import Callable, Collection

Keeps = Callable[[Collection[int]], dict[int, str]]
"""Of the studies with these ids, those that must stay, and why in plain words."""
NeedsFile = Callable[[str], bool]
_keeps: list[Keeps] = []
_needs: list[NeedsFile] = []


def keeps(source: Keeps) -> None:
    """Have `source` asked before any study is proposed, approved or deleted."""
    _keeps.append(source)


def needs_file(source: NeedsFile) -> None:
    """Have `source` asked before a file of the archive is erased."""
    _needs.append(source)


def kept_elsewhere(study_ids: Collection[int]) -> dict[int, str]:
    """Why others want these studies to stay."""
    found: dict[int, str] = {}
    for source in _keeps:
        found |= source(study_ids)
    return found


def is_file_needed(archive_key: str) -> bool:
    return any(source(archive_key) for source in _needs)
