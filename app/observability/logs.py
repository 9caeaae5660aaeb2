"""Structured logs: JSON lines, or coloured text where a terminal shows them.

Lines hold pseudonyms in place of the ids of sessions, visitors and tickets
(`app/observability/pseudonyms.py`), and no text that a visitor sends can begin a line of its own.
"""

import json
import logging
import secrets
import sys
from dataclasses import dataclass
from typing import Final, Literal, TextIO

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from app.observability.pseudonyms import Pseudonyms
from app.server.output import NonBlockingOutput

Level = Literal["debug", "info", "warning", "error"]
_FIRST: Final = ("timestamp", "level", "event")
_IDS: Final = ("session_id", "visitor", "ticket")
_INDENT: Final = "    "


def configure_logging(
    stream: TextIO | NonBlockingOutput | None = None,
    *,
    pseudonyms: Pseudonyms | None = None,
    traced: bool = False,
    level: Level = "info",
    worker: int | None = None,
    for_good: bool = False,
) -> None:
    """Send all logs, those of libraries too, through structlog to `stream` or standard error.

    Without `pseudonyms` a random key makes them, which no other process has. With `traced`, a line
    names the trace that it belongs to, and with `worker` the number of the process. Lines below
    `level` are left out; of libraries, all below `info`. With `for_good` each logger is made once,
    which saves 3 us of each line, and can't be configured again.
    """
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([_trace_named] if traced else []),
        *([_WorkerNamed(worker)] if worker is not None else []),
        _IdsReplaced(pseudonyms or Pseudonyms(secrets.token_bytes(32))),
    ]
    rendering: list[Processor] = [
        structlog.processors.format_exc_info,
        _in_order,
        *_renderers(for_a_person=stream.isatty()),
    ]
    least = logging.getLevelNamesMapping()[level.upper()]
    # Not by way of the standard library, which takes as long again for each line.
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(stream),  # type: ignore[arg-type] # it only writes
        cache_logger_on_first_use=for_good,
    )
    handler = logging.StreamHandler(stream)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[remove_meta, *rendering]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # At `debug` libraries would write what they are given: texts, ids, queries.
    root.setLevel(max(least, logging.INFO))
    for chatty in ("uvicorn.error", "alembic"):
        logging.getLogger(chatty).setLevel(max(least, logging.WARNING))


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
        return [_json]  # JSON escapes control characters itself
    plain = structlog.dev.plain_traceback
    lines = structlog.dev.ConsoleRenderer(exception_formatter=plain, sort_keys=False)
    return [_on_one_line, lines]


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the time, the level and the event first, and leave out fields that are None."""
    first = {name: event.pop(name) for name in _FIRST if name in event}
    return first | {name: value for name, value in event.items() if value is not None}


_encode: Final = json.JSONEncoder(default=repr).encode
"""structlog's own renderer makes an encoder for each line, which takes a quarter of its time."""


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return _encode(event)


def _trace_named(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
    return event


@dataclass(frozen=True)
class _WorkerNamed:
    """A processor that adds the number of this process among the workers of one machine."""

    worker: int

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["worker"] = self.worker
        return event


@dataclass(frozen=True)
class _IdsReplaced:
    """A processor that puts pseudonyms in place of ids."""

    pseudonyms: Pseudonyms

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for name in _IDS:
            if isinstance(event.get(name), str):
                event[name] = self.pseudonyms.of(event[name])
        if isinstance(event.get("path"), str):
            event["path"] = self.pseudonyms.in_path(event["path"])
        return event


def _on_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape control characters, so that an event is one line; a traceback's lines are indented."""
    exception = event.pop("exception", None)
    shown = {name: _shown(value) for name, value in event.items()}
    if isinstance(exception, str):
        lines = (f"{_INDENT}{_shown(line)}" for line in exception.split("\n"))
        shown["exception"] = "\n".join(lines)
    return shown


def _shown(value: object) -> object:
    """A text with its line breaks, control and direction characters escaped."""
    if not isinstance(value, str):
        return value
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in value
    )
