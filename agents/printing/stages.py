"""How far a print is, in the words of the person who waits for it: queued, printing, printed."""

from __future__ import annotations

from agents import protocol
from agents.models import AgentCommand, CommandState

QUEUED, PRINTING, PRINTED = "queued", "printing", "printed"
WORDS = {QUEUED: "Queued", PRINTING: "Printing", PRINTED: "Printed"}


def stage(command: AgentCommand) -> str:
    """queued, printing or printed; failed, expired or cancelled as the command's state says.

    The agent counts 0 of 2 while the printer waits and 1 of 2 while it prints.
    """
    if command.state == CommandState.DONE:
        return PRINTED
    if not command.is_open:
        return str(command.state)
    return PRINTING if command.state == CommandState.RUNNING and command.steps_done else QUEUED


def words(command: AgentCommand) -> str:
    """The state of any command for people; of a print, how far it is."""
    if command.type == protocol.PRINT_REPORT:
        return WORDS.get(stage(command), command.get_state_display())
    return str(command.get_state_display())
