"""Wildcards in SQL (PS3.4 C.2.2.2.4)."""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, Func


def like(pattern: str) -> str:
    r"""For LIKE: `*` any text, `?` one character, everything else itself (escape `\`)."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def glob(pattern: str) -> str:
    """For SQLite's GLOB, which has the same wildcards and classes in brackets."""
    return pattern.replace("[", "[[]")


class Like(Func):
    """Whether a column matches a pattern with `*` and `?`. Case matters."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, column: Any, pattern: str) -> None:
        super().__init__(column)
        self._pattern = pattern

    def as_sql(self, compiler: Any, connection: Any, *_args: Any, **_options: Any) -> Any:
        column, parameters = compiler.compile(self.get_source_expressions()[0])
        if connection.vendor == "sqlite":
            # The plus keeps the planner from reading and sorting all of a common beginning.
            return f"+{column} GLOB %s", [*parameters, glob(self._pattern)]
        return f"{column} LIKE %s ESCAPE '\\'", [*parameters, like(self._pattern)]
