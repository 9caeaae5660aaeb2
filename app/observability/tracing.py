"""Traces: a span for each request of a visitor, with one inside for each request to Kaltura.

FastAPI makes the outer spans. The standard `OTEL_*` variables say where all spans are sent.
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

_UNTRACED: Final = frozenset({"/healthz", "/servez", "/readyz", "/metrics"})
"""Monitors call these all the time."""

_PARENT: Final = "traceparent"


class Traces:
    """The tracing of one application; spans tell operation and outcome, and nothing of users."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("avatar-broker", __version__)
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def observe(self, exchange: Exchange) -> Iterator[None]:
        """Give a request to Kaltura a span, and send its `traceparent` along; an `Observer`.

        No other header of the visitor's trace is sent: those may hold a visitor's text.
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
            # The text of an exception may hold a secret.
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
        """FastAPI's telemetry settings with traces on."""
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
"""FastAPI's telemetry settings with traces off."""


def are_traces_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the `OTEL_*` variables name an endpoint for traces."""
    endpoints = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    goes_nowhere = environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return any(map(environ.get, endpoints)) and not is_off and not goes_nowhere


def _is_untraced(scope: Scope) -> bool:
    return scope.get("path") in _UNTRACED
