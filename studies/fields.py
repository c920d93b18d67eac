"""A JSON column that takes JSON text as it is."""

from __future__ import annotations

from typing import Any

from django.db import models


class JSONTextField(models.JSONField):
    """JSONField whose values may be given as JSON text, so that nothing is parsed on the way in."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if isinstance(value, str):
            if connection.vendor == "postgresql":
                from psycopg.types.json import Jsonb

                return Jsonb(value, dumps=str)
            return value
        return super().get_db_prep_value(value, connection, prepared)
