"""Structured logs: JSON where a machine reads them, lines where a person does.

No id of a session, a visitor or a ticket is in a line (`app/observability/pseudonyms.py`), and
nothing that a visitor sends can begin a line of its own.
"""

import logging
import secrets
import sys
from dataclasses import dataclass
from typing import Final, TextIO

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from app.observability.pseudonyms import Pseudonyms
from app.server.output import NonBlockingOutput

_IDS: Final = ("session_id", "visitor", "ticket")
_INDENT: Final = "    "


def configure_logging(
    stream: TextIO | NonBlockingOutput | None = None,
    *,
    pseudonyms: Pseudonyms | None = None,
    traced: bool = False,
) -> None:
    """Send everything, the libraries' logs too, through structlog to `stream`, or standard error.

    Without `pseudonyms` those of this process are like those of no other. With `traced`, a line
    names the trace that it belongs to.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([_trace_named] if traced else []),
        _Discreet(pseudonyms or Pseudonyms(secrets.token_bytes(32))),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *_renderers(for_a_person=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("uvicorn.error", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def dropped_lines() -> int:
    """How many lines of the log could not be written since the process began."""
    return sum(
        handler.stream.dropped_lines
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler)
        and isinstance(handler.stream, NonBlockingOutput)
    )


def _renderers(*, for_a_person: bool) -> list[Processor]:
    if not for_a_person:
        return [structlog.processors.JSONRenderer()]  # JSON escapes by itself
    plain = structlog.dev.plain_traceback
    return [_on_one_line, structlog.dev.ConsoleRenderer(exception_formatter=plain)]


def _trace_named(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
    return event


@dataclass(frozen=True)
class _Discreet:
    """Puts aliases in place of ids."""

    pseudonyms: Pseudonyms

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for name in _IDS:
            if isinstance(event.get(name), str):
                event[name] = self.pseudonyms.of(event[name])
        if isinstance(event.get("path"), str):
            event["path"] = self.pseudonyms.in_path(event["path"])
        return event


def _on_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Shows what a terminal would act upon; a traceback's lines are indented, an event's never."""
    exception = event.pop("exception", None)
    shown = {name: _shown(value) for name, value in event.items()}
    if isinstance(exception, str):
        lines = (f"{_INDENT}{_shown(line)}" for line in exception.split("\n"))
        shown["exception"] = "\n".join(lines)
    return shown


def _shown(value: object) -> object:
    """A text with its line breaks, control and direction characters spelled out."""
    if not isinstance(value, str):
        return value
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in value
    )
