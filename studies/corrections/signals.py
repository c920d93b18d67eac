"""Who else has to know of corrections. Sent after the commit."""

from __future__ import annotations

from django.dispatch import Signal

corrected = Signal()
"""`studies`: ids of studies that are shown otherwise from now on."""
