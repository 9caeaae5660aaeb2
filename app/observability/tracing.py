"""Traces: a span for each request of a visitor, and in it one for each request to Kaltura.

FastAPI makes the former itself, and sends both where the standard `OTEL_*` variables say.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import SpanKind, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from app import __version__
from app.kaltura.observation import Exchange

_UNTRACED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Whatever watches the process calls these all the time."""

_PARENT: Final = "traceparent"


class Traces:
    """The spans of one app; they say what was called and how it ended, and nothing of whom."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("avatar-broker", __version__)
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def observe(self, exchange: Exchange) -> Iterator[None]:
        """Give a request to Kaltura a span, and let Kaltura know of it; an `Observer`.

        `traceparent` alone goes along: other headers of a visitor's trace are a visitor's text.
        """
        url = exchange.request.url
        with self._tracer.start_as_current_span(
            f"kaltura {exchange.operation}",
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": exchange.request.method,
                "server.address": url.host,
                "url.template": f"/{exchange.operation}",
            },
            # An exception's text is its maker's, and perhaps a secret.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            carrier: dict[str, str] = {}
            self._propagator.inject(carrier)
            exchange.request.headers[_PARENT] = carrier[_PARENT]
            try:
                yield
            finally:
                if exchange.status is not None:
                    span.set_attribute("http.response.status_code", exchange.status)
                if exchange.outcome != "ok":
                    span.set_attribute("error.type", exchange.outcome)
                    span.set_status(StatusCode.ERROR)

    @property
    def telemetry(self) -> TelemetryConfig:
        """What FastAPI is to do."""
        return {
            "tracer_provider": self._provider,
            "tracing": True,
            "operation_spans": False,
            "metrics": False,
            "logs": False,
            "auto_configure": True,
            "exclude": _is_untraced,
        }


UNTRACED: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""What FastAPI is to do where nobody asked for traces."""


def are_traces_wanted(environ: Mapping[str, str]) -> bool:
    """Whether these variables name a place where traces go to."""
    endpoints = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    goes_nowhere = environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return any(map(environ.get, endpoints)) and not is_off and not goes_nowhere


def _is_untraced(scope: Scope) -> bool:
    return scope.get("path") in _UNTRACED
