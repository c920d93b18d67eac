"""The MongoDB for metadata documents by its address: `MONGODB_URL`."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured


def mongodb(url: str) -> str:
    """The address, or "" for none. Only its beginning is looked at: the driver reads the rest."""
    if url and not url.startswith(("mongodb://", "mongodb+srv://")):
        raise ImproperlyConfigured("MONGODB_URL begins with mongodb:// or mongodb+srv://")
    return url
