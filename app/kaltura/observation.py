"""The outcome of each request to Kaltura, for the log, the metrics and the traces."""

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
_RESPONSE_ID_HEADERS: Final = (REQUEST_ID, "X-Kaltura-Request-ID")
_RESPONSE_ID: Final = re.compile(r"[0-9A-Fa-f-]{8,64}")
"""The form of an id that is logged: no words or tokens that Kaltura might send get into the log."""

log = structlog.get_logger(__name__)


@dataclass
class Exchange:
    """A request to Kaltura and its result.

    `outcome` is `unknown` until the exchange is over, then `ok` or the name of a `KalturaError`.
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
        """Take status and response id from an answer's headers."""
        self.status = response.status_code
        self.response_id = _response_id(response, self.request)


Observer = Callable[[Exchange], AbstractContextManager[object]]
"""Observes one exchange: entered before the request is sent, left when the exchange is over.

An observer may add headers to the request.
"""


def no_observer(_: Exchange) -> AbstractContextManager[object]:
    """The observer that does nothing."""
    return nullcontext()


def when_over(*note: Callable[[Exchange], None]) -> Observer:
    """An observer that calls each of these with an exchange that is over."""

    @contextmanager
    def observer(exchange: Exchange) -> Iterator[None]:
        try:
            yield
        finally:
            for each in note:
                each(exchange)

    return observer


def combined(outer: Observer, inner: Observer) -> Observer:
    """One observer made of two; `outer` is entered first and left last."""

    @contextmanager
    def observer(exchange: Exchange) -> Iterator[None]:
        with outer(exchange), inner(exchange):
            yield

    return observer


@contextmanager
def observed(exchange: Exchange, observer: Observer) -> Iterator[Exchange]:
    """Time an exchange, log its outcome, and let `observer` see its begin and end.

    The id of the visitor's request is sent along, so that Kaltura's log can be matched with ours.
    """
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id is not None:
        exchange.request.headers[REQUEST_ID] = request_id
    started = time.perf_counter()
    with observer(exchange):
        try:
            yield exchange
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
    """The log level: a failed call is a warning, a keep-alive that succeeded is for debugging."""
    if exchange.outcome not in {"ok", "unknown"}:
        return logging.WARNING
    is_routine = exchange.outcome == "ok" and exchange.operation == Operation.KEEP_ALIVE
    return logging.DEBUG if is_routine else logging.INFO


def _reason_of(error: BaseException) -> str | None:
    """The name of an error's first cause; its text is left out, since it may quote an answer."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    return None if first is error else type(first).__name__


def _response_id(response: httpx.Response, request: httpx.Request) -> str | None:
    """Kaltura's own id of an answer, which its support asks for.

    None where the answer has none, or only repeats something that the request contained.
    """
    for name in _RESPONSE_ID_HEADERS:
        given: str = response.headers.get(name, "")
        if _RESPONSE_ID.fullmatch(given) and not _was_sent(given, request):
            return given
    return None


def _was_sent(text: str, request: httpx.Request) -> bool:
    return text.encode() in request.content or any(text in v for v in request.headers.values())
