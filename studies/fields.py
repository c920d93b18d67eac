"""A JSON column that takes JSON text as it is; a column that follows a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models

from studies.dicom.charset import name_key


class JSONTextField(models.JSONField):
    """JSONField whose values may be given as JSON text, so that nothing is parsed on the way in."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if isinstance(value, str):
            if connection.vendor == "postgresql":
                from psycopg.types.json import Jsonb

                return Jsonb(value, dumps=str)
            return value
        return super().get_db_prep_value(value, connection, prepared)


class FoldedNameField(models.CharField):  # type: ignore[type-arg]
    """`charset.name_key` of other columns of the row, written with every insert and save.

    `QuerySet.update` of those columns has to set this one too.
    """

    def __init__(self, groups: Sequence[str] = (), **options: Any) -> None:
        self.groups = tuple(groups)
        options.setdefault("max_length", 400)
        super().__init__(**{"blank": True, "default": "", "editable": False, **options})

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {"groups": self.groups, **options}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        key = name_key(*(str(getattr(model_instance, group)) for group in self.groups))
        setattr(model_instance, self.attname, key)
        return key
