"""Statements whose SQL is made once: what the ORM would compile anew for every image.

For the few tables that are written with every image. Values are adapted as the model's fields
say; defaults are the caller's to give, no signal is sent and no key comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, models

# Fields whose values the drivers take as they are need no look at the field.
_ADAPTED = (models.DateField, models.JSONField)  # DateTimeField is a DateField


@cache
def _fields(model: type[models.Model], names: tuple[str, ...]) -> list[Any]:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    return [by_name[name] for name in names]


@cache
def _adapted(model: type[models.Model], names: tuple[str, ...]) -> list[tuple[int, Any]]:
    fields = enumerate(_fields(model, names))
    return [(at, field) for at, field in fields if isinstance(field, _ADAPTED)]


@cache
def _insert(model: type[models.Model], names: tuple[str, ...], conflict: str) -> str:
    columns = ", ".join(f'"{field.column}"' for field in _fields(model, names))
    places = ", ".join(["%s"] * len(names))
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({places}) {conflict}'  # noqa: S608


@cache
def _update(model: type[models.Model], names: tuple[str, ...]) -> str:
    columns = ", ".join(f'"{field.column}" = %s' for field in _fields(model, names))
    return f'UPDATE "{model._meta.db_table}" SET {columns} WHERE "id" = %s'  # noqa: S608


def _values(model: type[models.Model], names: tuple[str, ...], row: Sequence[Any]) -> Sequence[Any]:
    adapted = _adapted(model, names)
    if not adapted:
        return row
    values = list(row)
    for at, field in adapted:
        values[at] = field.get_db_prep_save(values[at], connection)
    return values


def insert(
    model: type[models.Model],
    names: tuple[str, ...],
    rows: Sequence[Sequence[Any]],
    conflict: str = "",
) -> None:
    """Insert rows of `names` (with `_id` for foreign keys). `conflict`: an ON CONFLICT clause."""
    sql = _insert(model, names, conflict)
    with connection.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(sql, _values(model, names, rows[0]))
        else:
            cursor.executemany(sql, [_values(model, names, row) for row in rows])


def update(model: type[models.Model], pk: int, names: tuple[str, ...], row: Sequence[Any]) -> None:
    """Set columns of one row."""
    change(_update(model, names), [*_values(model, names, row), pk])


def change(sql: str, parameters: Sequence[Any]) -> None:
    """Run a statement that gives no rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def select(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """All rows of a query; values as the driver gives them."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
