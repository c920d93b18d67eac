"""What goes wrong on the way to a destination. The text is what the person who sent it reads."""

from __future__ import annotations

from studies.errors import PermanentError, RetriableError


class PeerUnavailable(RetriableError):
    """The destination, or the Orthanc before it, cannot take images now."""


class PeerUnusable(PermanentError):
    """The destination is set up in a way that can never work."""


class ClaimLost(Exception):
    """The send was cancelled, or another worker has taken over: write nothing more."""


class NotPossible(Exception):
    """A person asked for something that this send or destination does not allow; in words."""
