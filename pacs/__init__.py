"""The project package: settings, URL and ASGI roots, and the parts that every app may use."""

from __future__ import annotations

from pacs import collector

collector.seldom()

from pacs.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
