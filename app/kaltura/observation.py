"""One request to Kaltura and what becomes of it, as the log and whoever else watches sees it."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import httpx
import structlog

from app.kaltura.contract import Operation
from app.kaltura.errors import KalturaError

REQUEST_ID: Final = "X-Request-ID"
_THEIR_IDS: Final = (REQUEST_ID, "X-Kaltura-Request-ID")
_HARMLESS_ID: Final = re.compile(r"[0-9A-Fa-f-]{8,64}")
"""What ids are made of and words and tokens are not: a strange Kaltura must not write our log."""

log = structlog.get_logger(__name__)


@dataclass
class Exchange:
    """A request on its way; `outcome` is `ok` or the name of a `KalturaError` when it is over.

    `reason` is the name of the exception that a failure began with, such as `gaierror` (no such
    host) or `SSLCertVerificationError`.
    """

    operation: StrEnum
    request: httpx.Request
    outcome: str = "unknown"
    reason: str | None = None
    status: int | None = None
    response_id: str | None = None
    seconds: float = 0.0

    def answered(self, response: httpx.Response) -> None:
        """Note what the answer's head says."""
        self.status = response.status_code
        self.response_id = _id_of(response, self.request)


Observer = Callable[[Exchange], AbstractContextManager[object]]
"""Is entered before a request leaves, to which it may add headers, and left when it is over."""


def no_observer(_: Exchange) -> AbstractContextManager[object]:
    """Nobody watches."""
    return nullcontext()


def combined(outer: Observer, inner: Observer) -> Observer:
    """Two observers as one."""

    @contextmanager
    def observer(exchange: Exchange) -> Iterator[None]:
        with outer(exchange), inner(exchange):
            yield

    return observer


@contextmanager
def watched(exchange: Exchange, observer: Observer) -> Iterator[None]:
    """Times an exchange and tells the log of it; an `observer` sees it begun and over.

    The id of the visitor's request goes along, so that Kaltura's log leads to ours.
    """
    asked_by = structlog.contextvars.get_contextvars().get("request_id")
    if asked_by is not None:
        exchange.request.headers[REQUEST_ID] = asked_by
    started = time.perf_counter()
    with observer(exchange):
        try:
            yield
            exchange.outcome = "ok"
        except KalturaError as error:
            exchange.outcome = type(error).__name__
            exchange.reason = _reason_of(error)
            raise
        finally:
            exchange.seconds = time.perf_counter() - started
            log.log(
                _level_of(exchange),
                "kaltura",
                operation=exchange.operation.value,
                outcome=exchange.outcome,
                reason=exchange.reason,
                upstream_status=exchange.status,
                duration_ms=round(exchange.seconds * 1000, 1),
                **({} if exchange.response_id is None else {"upstream_id": exchange.response_id}),
            )


def _level_of(exchange: Exchange) -> int:
    """A call that failed is a warning; a sign of life that was taken is of interest to nobody."""
    if exchange.outcome not in {"ok", "unknown"}:
        return logging.WARNING
    is_routine = exchange.outcome == "ok" and exchange.operation == Operation.KEEP_ALIVE
    return logging.DEBUG if is_routine else logging.INFO


def _reason_of(error: BaseException) -> str | None:
    """The name of what an error began with; its text stays out, since it may quote an answer."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    return None if first is error else type(first).__name__


def _id_of(response: httpx.Response, request: httpx.Request) -> str | None:
    """Kaltura's own id of an answer, for its support; None for ours come back, or worse."""
    for name in _THEIR_IDS:
        given: str = response.headers.get(name, "")
        if _HARMLESS_ID.fullmatch(given) and not _was_sent(given, request):
            return given
    return None


def _was_sent(text: str, request: httpx.Request) -> bool:
    return text.encode() in request.content or any(text in v for v in request.headers.values())
