"""Who else has to know of orders. Sent in the transaction of the change."""

from __future__ import annotations

from django.dispatch import Signal

changed = Signal()
"""`site_id`: an order of the site is new or different."""
