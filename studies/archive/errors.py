"""What can go wrong with an archive that is not on this machine, by what has to be done about it.

All are OSErrors, as what a disk answers: who writes to the archive treats both alike.
"""

from __future__ import annotations

from studies.errors import RetriableError


class ArchiveDown(RetriableError, OSError):
    """The object storage does not answer, or wants us to be slower: wait, then the same again."""


class ArchiveRefuses(RetriableError, OSError):
    """The object storage refuses us (credentials, a missing bucket): until a person has put it
    right."""


class ArchiveDamaged(RetriableError, OSError):
    """The object is not what was stored; the other copy has to be looked at."""
