"""The Celery application. Tasks only carry out what a row in the database says must be done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_ready
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

from pacs import collector

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pacs.settings.development")
TRANSPORT_ALIASES["lightboxfs"] = "pacs.broker:Transport"

app = Celery("pacs")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

for option in ("data_folder_in", "control_folder"):
    if folder := settings.CELERY_BROKER_TRANSPORT_OPTIONS.get(option):
        Path(folder).mkdir(parents=True, exist_ok=True)


@setup_logging.connect
def _configure_logs(**kwargs: Any) -> None:
    from pacs.logs import configure

    configure()


@worker_ready.connect
def _first_heartbeat(sender: Any = None, **kwargs: Any) -> None:
    """The portal is ready as soon as its worker is, not only at beat's first round."""
    app.send_task("health.heartbeat", expires=15)
    collector.past_the_start()
