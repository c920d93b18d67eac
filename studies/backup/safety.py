"""Whether a study may be deleted where it came from: archived, backed up, and complete."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from studies.backup.models import BackupState
from studies.models import Instance, Study


@dataclass(frozen=True, slots=True)
class Safety:
    """How far a study is. `is_safe` needs the expected number: without it nobody knows whether all
    images have arrived."""

    received: int
    backed_up: int
    expected: int | None

    @property
    def is_safe(self) -> bool:
        return (
            self.expected is not None
            and self.received >= self.expected
            and self.backed_up >= self.received > 0
        )

    @property
    def words(self) -> str:
        if self.is_safe:
            return f"Safe: all {self.received} images are archived and backed up."
        said = f"{self.received} received, {self.backed_up} backed up"
        return said + (f", {self.expected} expected." if self.expected is not None else ".")


def safety(study: Study) -> Safety:
    """Counts a study's images and their backups now.

    An upload counts as backed up when the storage has told the size of what it holds, and where it
    tells a hash that as well; `verify` reads samples back.
    """
    held = Instance.objects.filter(series__study=study)
    counts = held.aggregate(received=Count("id"))
    done = BackupState.objects.filter(
        Q(archive_key__in=held.values("archive_key")), state=BackupState.State.DONE
    ).count()
    return Safety(counts["received"], done, study.expected_instances)
