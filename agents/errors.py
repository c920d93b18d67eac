"""What goes wrong with agents. The text is what the person who asked reads."""

from __future__ import annotations


class NotPossible(Exception):
    """What was asked for does not fit the state of the agent or the command."""


class NotConnected(NotPossible):
    """The agent is not connected, and the caller does not want to wait."""


class EnrolmentRefused(Exception):
    """The code is unknown, used or expired, or the address may not enrol."""
