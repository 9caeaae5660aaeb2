"""Traces: from a visitor's request to Kaltura's, and nothing in them that is not to be told."""

import contextlib
import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

from app import cli
from app.config.settings import load_settings
from app.main import Transports, create_app
from app.observability.logs import configure_logging
from app.observability.spans import tracer_provider
from app.observability.tracing import are_traces_wanted
from app.sessions.clock import Clocks
from tests.support.doubles import (
    BY_APP_TOKEN,
    KALTURA_TOKEN,
    KS,
    MINTED_KS,
    FakeClock,
    FakeKaltura,
    refusal,
    settings,
)
from tests.support.visitor_api import CREATE, opened, path

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
VISITOR = {
    "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
    "tracestate": "vendor=canary-state",
    "baggage": "who=canary-baggage",
    "User-Agent": "canary-agent",
    "Host": "canary-host.test",
}


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def visitor(
    kaltura: FakeKaltura, clock: FakeClock, exporter: InMemorySpanExporter
) -> AsyncIterator[httpx.AsyncClient]:
    """A visitor of a broker whose spans are kept."""
    provider = tracer_provider({})
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with broker(kaltura, clock, provider) as client:
        yield client
    provider.shutdown()


@contextlib.asynccontextmanager
async def broker(
    kaltura: FakeKaltura, clock: FakeClock, provider: Any, **changes: Any
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        settings(**changes),
        transports=Transports(kaltura=kaltura),
        clocks=Clocks(wall=clock, monotonic=clock),
        tracer_provider=provider,
    )
    async with (
        LifespanManager(app) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(manager.app, raise_app_exceptions=False),
            base_url="http://broker.test",
        ) as client,
    ):
        yield client


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logging(stream, traced=True)
    yield stream
    structlog.reset_defaults()
    root.handlers = before
    root.setLevel(level)


def the_spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_a_visitors_trace_goes_on_to_kaltura(
    visitor: httpx.AsyncClient,
    kaltura: FakeKaltura,
    exporter: InMemorySpanExporter,
    log: io.StringIO,
) -> None:
    session = await opened(visitor)
    exporter.clear()
    log.truncate(0)
    await visitor.post(path(session, "speak"), json={"text": "Hello"}, headers=VISITOR)
    spans = the_spans(exporter)
    assert set(spans) == {"POST /api/avatar-sessions/{sessionId}/speak", "kaltura say-text"}
    asked, said = spans["POST /api/avatar-sessions/{sessionId}/speak"], spans["kaltura say-text"]
    assert asked.parent is not None
    assert said.parent is not None
    assert (
        format_trace_id(asked.context.trace_id) == format_trace_id(said.context.trace_id) == TRACE
    )
    assert format_span_id(asked.parent.span_id) == "00f067aa0ba902b7"
    assert said.parent.span_id == asked.context.span_id
    assert (asked.kind, said.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    sent = kaltura.calls[-1].request.headers
    assert sent["traceparent"] == f"00-{TRACE}-{format_span_id(said.context.span_id)}-01"
    lines = [json.loads(line) for line in log.getvalue().lstrip("\0").splitlines()]
    assert [(line["event"], line["trace_id"]) for line in lines if "request_id" in line] == [
        ("kaltura", TRACE),
        ("request", TRACE),
    ]


async def test_a_span_says_how_it_ended(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, exporter: InMemorySpanExporter
) -> None:
    kaltura.will("create", refusal(401))
    await visitor.post(CREATE)
    spans = the_spans(exporter)
    upstream, asked = spans["kaltura create"], spans[f"POST {CREATE}"]
    assert upstream.attributes is not None
    assert asked.attributes is not None
    assert upstream.attributes["error.type"] == "CredentialsRejectedError"
    assert upstream.attributes["http.response.status_code"] == 401
    assert not upstream.status.is_ok
    assert asked.attributes["http.response.status_code"] == 502
    assert not upstream.events
    assert not asked.events


async def test_no_secret_no_id_and_nothing_that_a_visitor_writes_is_in_a_span(
    kaltura: FakeKaltura, clock: FakeClock, exporter: InMemorySpanExporter
) -> None:
    provider = tracer_provider({})
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with broker(kaltura, clock, provider, **BY_APP_TOKEN) as visitor:
        kaltura.will("create", httpx.ConnectError(f"canary-error {KS}"))
        await visitor.post(CREATE, headers=VISITOR)
        session = await opened(visitor)
        for content in ({"text": "canary-text"}, {"text": "canary-text", "canary-field": 1}):
            for query in ("", "?canary-query=1"):
                target = path(session, "speak") + query
                await visitor.post(target, json=content, headers=VISITOR)
        await visitor.post(
            f"/v1/avatar-session/{session['sessionId']}/say-text",
            json={"text": "canary-text"},
            headers={"Authorization": f"Bearer {session['token']}", **VISITOR},
        )
        for nowhere in ("/canary-path", f"/{session['sessionId']}", f"/static/{session['token']}"):
            await visitor.request("CANARY-METHOD", nowhere, headers=VISITOR)
            await visitor.get(nowhere, headers=VISITOR)
    spans = exporter.get_finished_spans()
    assert len(spans) > 12
    told = "\n".join(span.to_json() for span in spans)
    forbidden = ("canary", session["sessionId"], session["token"], KS, KALTURA_TOKEN, MINTED_KS)
    assert [text for text in forbidden if text in told] == []
    assert "kaltura appToken/action/startSession" in told
    for call in kaltura.calls:
        assert "canary-state" not in str(call.request.headers)
        assert "baggage" not in call.request.headers
    provider.shutdown()


async def test_whoever_watches_the_process_is_not_traced(
    visitor: httpx.AsyncClient, exporter: InMemorySpanExporter
) -> None:
    for probe in ("/healthz", "/servez", "/readyz", "/metrics"):
        await visitor.get(probe)
    assert exporter.get_finished_spans() == ()


class _Collector(BaseHTTPRequestHandler):
    """What OTLP over HTTP is sent to."""

    received: list[tuple[str, str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    received: list[tuple[str, str, bytes]] = []
    handler = type("Collector", (_Collector,), {"received": received})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


async def test_spans_reach_a_real_collector_that_the_environment_names(
    kaltura: FakeKaltura,
    clock: FakeClock,
    collector: tuple[str, list[tuple[str, str, bytes]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    url, received = collector
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    (tmp_path / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={url}\n", encoding="utf-8")
    assert load_settings()[1] == []
    provider = cli._tracer_provider()
    assert provider is not None
    async with broker(kaltura, clock, provider) as visitor:
        await opened(visitor)
    [(target, content_type, body)] = received
    assert (target, content_type) == ("/v1/traces", "application/x-protobuf")
    [sent] = ExportTraceServiceRequest.FromString(body).resource_spans
    about = {one.key: one.value.string_value for one in sent.resource.attributes}
    assert about["service.name"] == "avatar-broker"
    names = {span.name for scope in sent.scope_spans for span in scope.spans}
    assert {f"POST {CREATE}", "kaltura create", "kaltura init-client", "kaltura end"} <= names


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_only_an_endpoint_turns_them_on(environ: dict[str, str], wanted: bool) -> None:  # noqa: FBT001 - a table
    assert are_traces_wanted(environ) is wanted


@pytest.mark.parametrize(
    "named", [{"OTEL_SERVICE_NAME": "x"}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=x"}]
)
def test_the_operator_may_name_the_service(
    named: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert tracer_provider(named).resource.attributes["service.name"] == "x"


def test_where_they_are_off_nothing_of_them_is_imported() -> None:
    program = "import app.cli, sys; sys.exit('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 0


async def test_where_they_are_off_no_request_has_a_span_and_none_is_passed_on(
    kaltura: FakeKaltura, clock: FakeClock, log: io.StringIO
) -> None:
    async with broker(kaltura, clock, None) as visitor:
        await visitor.post(CREATE, headers=VISITOR | {"Host": "broker.test"})
    assert "traceparent" not in kaltura.calls[0].request.headers
    assert "trace_id" not in log.getvalue()
