"""Structured logs: one event a line, UTC, with the ids of what is being worked on."""

import logging
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from app.core import context, tracing
from app.core.settings import Settings
from app.core.telling import trace_of, without_secrets

FIRST = ("timestamp", "level", "event")
# These log addresses, and an address holds a password, or is one.
RESERVED = {
    "apprise": logging.CRITICAL + 1,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "urllib3": logging.WARNING,
}
# What uvicorn says of an error that the service has told of already, with its ids.
TOLD_ALREADY = "Exception in ASGI application"


def configure(settings: Settings) -> None:
    """Send every log line of this process through structlog, in the format that was asked for."""
    shared: list[Processor] = [
        _with_ids,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[*_last(), _renderer(settings)]
        )
    )
    for name, level in RESERVED.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)


def _renderer(settings: Settings) -> Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=False)


def _last() -> list[Processor]:
    """What happens to every line, whoever wrote it."""
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.ExceptionRenderer(lambda info: trace_of(info[1])),
        _scrubbed,
        _in_order,
    ]


def _with_ids(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {**context.known(), **tracing.ids(), **event}


def _scrubbed(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Nobody means to log a secret; this is for the words of others that quote one."""
    return {name: _clean(value) for name, value in event.items()}


def _in_order(_logger: object, _method: str, event: EventDict) -> EventDict:
    """When, how bad and what come first, for who reads lines as they are."""
    return {**{name: event.pop(name) for name in FIRST if name in event}, **event}


def _clean(value: Any) -> Any:  # noqa: ANN401 - whatever a line holds
    return without_secrets(value) if isinstance(value, str) else value


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(TOLD_ALREADY)
