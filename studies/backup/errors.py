"""What can go wrong with a backup, by what has to be done about it."""

from __future__ import annotations

from studies.errors import PermanentError, RetriableError


class BackupDown(RetriableError):
    """The backup storage does not answer, or wants us to be slower: wait, then the same again."""


class BackupRefuses(RetriableError):
    """The storage refuses us (credentials, a missing bucket): nothing gets through until a person
    has put it right."""


class TooLarge(PermanentError):
    """This object is larger than the storage takes."""


class Damaged(PermanentError):
    """A copy is not what was stored; the other one has to be looked at."""


class Missing(PermanentError):
    """There is no such object."""


class NotEscrowed(PermanentError):
    """Nobody has confirmed a copy of the key outside of this machine."""
