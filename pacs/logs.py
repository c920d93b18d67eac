"""structlog for our code and the libraries: readable lines, or JSON where PACS_LOG_JSON is set.

No patient data: log ids, counts, codes and durations, never names, PatientIDs or UIDs' texts.
"""

from __future__ import annotations

import logging
import logging.config
import re
import sys
import traceback
from typing import Any, TextIO

import structlog

# PostgreSQL repeats the values of a refused row there; it ends its message, in `repr` as well.
DETAIL = re.compile(
    r"(?:\n|\\n)DETAIL:.*?(?=\n\nThe above exception |\n\nDuring handling of |\Z)", re.DOTALL
)


def traceback_text(exc_info: Any) -> str:
    """A traceback without local variables, which hold tokens and patient data."""
    return DETAIL.sub("", "".join(traceback.format_exception(*exc_info)).rstrip())


def _write_traceback(out: TextIO, exc_info: Any) -> None:
    out.write("\n" + traceback_text(exc_info))


def _without_detail(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    event["event"] = DETAIL.sub("", str(event.get("event", "")))
    return event


def configure(_config: dict[str, Any] | None = None) -> None:
    """Install the logging set-up; Django calls this as LOGGING_CONFIG, Celery by signal."""
    from django.conf import settings

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_detail,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.LOG_JSON
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=_write_traceback
        )
    )
    as_text = structlog.processors.ExceptionRenderer(traceback_text)
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
                        *([as_text] if settings.LOG_JSON else []),
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
