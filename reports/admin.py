"""Reports in the admin, from the packages they belong to."""

from __future__ import annotations

from reports.delivery import admin as delivery_admin

__all__ = ["delivery_admin"]
