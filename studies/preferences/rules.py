"""What may be set up: which keys there are, which tools a button may have, that nothing is given
twice. Which actions there are the viewer knows (`shortcuts` in static/src/viewer/keys.js)."""

from __future__ import annotations

import re
from typing import Any, Final

from studies.errors import PermanentError

MOST_ACTIONS: Final = 200
MOST_KEYS: Final = 6
ACTION: Final = re.compile(r"[a-z][a-z-]{0,30}(:[a-z0-9-]{1,20})?")
NAMED_KEYS: Final = frozenset(
    {"↑", "↓", "←", "→", "Home", "End", "Page Up", "Page Down", "Del", "Backspace", "Enter"}
    | {"Space", "Insert", *(f"F{number}" for number in range(1, 13))}
)
UNDOING: Final = frozenset({"Ctrl+Z", "Ctrl+Shift+Z", "Ctrl+Y"})
"""Of the combinations with Ctrl, those that no browser keeps for itself."""
TOOLS: Final = ("window", "scroll", "zoom", "pan")
BUTTONS: Final[dict[str, tuple[str, ...]]] = {
    "left": TOOLS,
    "middle": TOOLS,
    "right": TOOLS,
    "wheel": ("scroll", "zoom"),
}
DEFAULT_BUTTONS: Final = {"left": "window", "middle": "pan", "right": "zoom", "wheel": "scroll"}


class NotKept(PermanentError):
    """Why it was not kept, in `words` for people."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def is_key(name: Any) -> bool:
    """Whether this is the name of a key that can be given: as the viewer's help writes it."""
    if not isinstance(name, str):
        return False
    one = len(name) == 1 and name.isprintable() and not name.isspace() and name == name.upper()
    return one or name in NAMED_KEYS or name in UNDOING


def checked_keys(keys: Any) -> dict[str, list[str]]:
    """The keys as they were given. Raises NotKept."""
    if not isinstance(keys, dict) or len(keys) > MOST_ACTIONS:
        raise NotKept("Keys must be lists of keys by action.")
    owner: dict[str, str] = {}
    for action, names in keys.items():
        if not isinstance(action, str) or not ACTION.fullmatch(action):
            raise NotKept("Keys must be lists of keys by action.")
        if not isinstance(names, list) or len(names) > MOST_KEYS:
            raise NotKept(f"An action has at most {MOST_KEYS} keys.")
        for name in names:
            if not is_key(name):
                raise NotKept("This key cannot be given to an action.")
            if name in owner:
                raise NotKept(f"{name} is given twice.")
            owner[name] = action
    return keys


def checked_buttons(buttons: Any) -> dict[str, str]:
    """The buttons as they were given. Raises NotKept."""
    if not isinstance(buttons, dict):
        raise NotKept("Buttons must be tools by button.")
    for button, tool in buttons.items():
        if button not in BUTTONS or tool not in BUTTONS[button]:
            raise NotKept("There is no such mouse button, or it cannot have this tool.")
    whole = DEFAULT_BUTTONS | buttons
    tools = [whole["left"], whole["middle"], whole["right"]]
    if len(set(tools)) < len(tools):
        raise NotKept("Two mouse buttons have the same tool.")
    return buttons
