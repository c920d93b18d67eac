"""structlog for our code and the libraries: readable lines, or JSON where PACS_LOG_JSON is set.

No patient data: log ids, counts, codes and durations, never names, PatientIDs or UIDs' texts.
"""

from __future__ import annotations

import logging
import logging.config
import sys
from typing import Any

import structlog


def configure(_config: dict[str, Any] | None = None) -> None:
    """Install the logging set-up; Django calls this as LOGGING_CONFIG, Celery by signal."""
    from django.conf import settings

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.LOG_JSON
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "plain": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        *([structlog.processors.dict_tracebacks] if settings.LOG_JSON else []),
                        renderer,
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
            "root": {"handlers": ["stderr"], "level": settings.LOG_LEVEL},
            "loggers": {
                # These would print request lines, search words or headers of damaged files.
                "django.request": {"level": "ERROR"},
                "django.server": {"level": "WARNING"},
                "daphne": {"level": "WARNING"},
                "pydicom": {"level": "CRITICAL"},
                "axes": {"level": "ERROR"},
                "urllib3": {"level": "ERROR"},
                "celery.app.trace": {"level": "ERROR"},
                "celery.beat": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "aiosqlite": {"level": "WARNING"},
                "aiosqlitepool": {"level": "WARNING"},
                "asyncio": {"level": "WARNING"},
            },
        }
    )
