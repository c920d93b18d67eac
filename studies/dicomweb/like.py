"""SQL LIKE with DICOM's wildcards (PS3.4 C.2.2.2.4)."""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, F, Func, TextField, Value


def pattern(value: str) -> str:
    r"""A LIKE pattern: `*` any text, `?` one character, everything else itself (escape `\`)."""
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


class Like(Func):
    r"""`column LIKE pattern ESCAPE '\'`. Case does not matter for ASCII in SQLite only."""

    template = "%(expressions)s ESCAPE '\\'"
    arg_joiner = " LIKE "
    output_field = BooleanField()
    conditional = True

    def __init__(self, column: F, like: str, **extra: Any) -> None:
        super().__init__(column, Value(like, output_field=TextField()), **extra)
