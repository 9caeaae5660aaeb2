"""The application, wired together."""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, Final

import httpx
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.templating import Jinja2Templates
from opentelemetry.trace import TracerProvider
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app import __version__
from app.audit.reader import AuditReader
from app.audit.retention import Retention
from app.audit.writer import AuditWriter
from app.config.settings import Settings
from app.db.database import open_database
from app.identity.assembly import login_of
from app.kaltura.observation import combined
from app.migrations import prepare
from app.observability.metrics import Metrics
from app.observability.recent_calls import RecentCalls
from app.observability.tracing import UNTRACED, Traces
from app.problems import Problem
from app.sessions.assembly import assemble, kaltura_client
from app.sessions.clock import SessionClock, seconds_since_boot
from app.sessions.keyring import keyring_of
from app.sessions.service import SessionService
from app.sessions.speech.assembly import speech_services
from app.sessions.speech.text.installed_hooks import installed_hooks
from app.sessions.speech.timers import Sleep
from app.sessions.store.repository import SessionRepository
from app.sessions.store.usage import Usage
from app.sessions.store.write_through import WriteThroughSessionStore
from app.sessions.tokens import Clock
from app.web.authorization import TOKEN_HEADER
from app.web.bounds import WebBounds
from app.web.deps import State
from app.web.docs.openapi import describe
from app.web.error_responses import on_http_exception, on_invalid, on_problem
from app.web.middleware.bodies import BodyGuard
from app.web.middleware.guards import (
    REQUEST_ID,
    CrossSiteGuard,
    HostGuard,
    RequestContext,
    SecurityHeaders,
)
from app.web.middleware.origins import HostPolicy, OriginPolicy
from app.web.middleware.proxies import SignedInByProxy, UntrustedProxyWarning
from app.web.operator.sign_in import Operators
from app.web.operator.streams import MAX_STREAMS
from app.web.rate_limiter import Rates
from app.web.routes import ROUTERS
from app.web.static_files import PageFiles
from app.web.stream_limit import StreamLimit
from app.web.visitor.events import MAX_FOLLOWERS, MAX_FOLLOWERS_PER_SESSION
from app.web.visitor.identification import visitors_of

ROOT: Final = Path(__file__).parent.parent
SHUTDOWN_SECONDS: Final = 6
"""How long ending every session may take; with `app.server.process.GRACE_SECONDS` before it,
less than the 10 s after which containers are killed.
"""

CORS_ALLOWED: Final = (
    *("Authorization", TOKEN_HEADER, "Content-Type", "Idempotency-Key", REQUEST_ID),
    # What stand-ins for EventSource and for fetch send.
    *("Last-Event-ID", "Cache-Control", "X-Requested-With"),
    # What tracing adds: W3C Trace Context and Baggage, Zipkin, Sentry.
    *("traceparent", "tracestate", "baggage", "b3", "sentry-trace"),
)
CORS_EXPOSED: Final = (
    *(REQUEST_ID, "Date", "Location", "Retry-After", "RateLimit", "RateLimit-Policy"),
)

BOUNDS: Final = WebBounds()

log = structlog.get_logger(__name__)


def create_app(
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    login_transport: httpx.AsyncBaseTransport | None = None,
    speech_transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = time.time,
    monotonic: Clock = seconds_since_boot,
    sleep: Sleep = asyncio.sleep,
    tracer_provider: TracerProvider | None = None,
    bounds: WebBounds = BOUNDS,
    shutdown_seconds: float = SHUTDOWN_SECONDS,
) -> FastAPI:
    """The broker; raises `SettingsError` without a KS or an avatar, or where a hook can't be asked.

    `transport` carries calls to Kaltura, `login_transport` those to the app's login, and
    `speech_transport` those to another voice and to the speech hook; `clock` gives unix seconds,
    `monotonic` seconds that never jump, and `sleep` waits for such. Tests bring their own.
    Where there is a `tracer_provider`, requests are traced. Ending the sessions takes at most
    `shutdown_seconds`.
    """
    settings.required_to_serve()
    hooks = installed_hooks()
    metrics, recent = Metrics(), RecentCalls(monotonic)
    assets, templates = PageFiles(ROOT / "static"), Jinja2Templates(ROOT / "templates")
    templates.env.globals["asset"] = assets.url
    traces = None if tracer_provider is None else Traces(tracer_provider)
    observer = combined(metrics.observe, recent.observe)
    if traces is not None:
        observer = combined(traces.observe, observer)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with (
            open_database(settings.database_url, prepare) as database,
            contextlib.aclosing(
                kaltura_client(settings, transport, clock, monotonic, observer)
            ) as client,
            login_of(
                settings, transport=login_transport, clock=clock, monotonic=monotonic
            ) as login,
            speech_services(
                settings, hooks=hooks, monotonic=monotonic, transport=speech_transport
            ) as services,
        ):
            keyring, times = keyring_of(settings), SessionClock(clock, monotonic)
            record = AuditWriter(
                database, required=settings.audit_required, monotonic=monotonic, clock=clock
            )
            retention = Retention(
                database, days=settings.audit_retention_days, clock=clock, sleep=sleep
            )
            repository = SessionRepository(
                database, keyring.at_rest(), base_url=settings.avatar_base_url, clock=times
            )
            store = WriteThroughSessionStore(times, repository)
            sessions = assemble(
                settings,
                client=client,
                sessions=store,
                keyring=keyring,
                record=record,
                speech=services,
                clock=times,
                monotonic=monotonic,
                sleep=sleep,
                is_record_down=lambda: not database.is_available,
            )
            for warning in sessions.readiness.warnings():
                log.warning(warning)
            async with (
                record.running(),
                contextlib.aclosing(store),
                _running(sessions.reaper.run()),
                _running(retention.run()),
                _ending(sessions.broker, shutdown_seconds),
            ):
                await sessions.terminator.take_over()
                yield State(
                    admission=sessions.admission,
                    broker=sessions.broker,
                    auditor=sessions.auditor,
                    record=record,
                    audit_reader=AuditReader(database, record),
                    bounds=bounds,
                    usage=Usage(database, base_url=settings.avatar_base_url, clock=clock),
                    operators=Operators(settings, keyring.operators(), clock),
                    settings=settings,
                    clock=times,
                    readiness=sessions.readiness,
                    stats_reader=sessions.stats_reader,
                    metrics=metrics,
                    recent=recent,
                    streams=StreamLimit(of_one=MAX_STREAMS, of_all=MAX_STREAMS),
                    rates=Rates.of(settings),
                    followers=StreamLimit(of_one=MAX_FOLLOWERS_PER_SESSION, of_all=MAX_FOLLOWERS),
                    visitors=visitors_of(settings, login),
                    assets=assets,
                    templates=templates,
                )

    app = FastAPI(
        title="Avatar Broker",
        description="A backend-for-frontend for Kaltura avatars.",
        version=__version__,
        lifespan=lifespan,
        telemetry=UNTRACED if traces is None else traces.telemetry,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would be to http, where a proxy has the https
        middleware=_guards(settings, metrics, bounds),
        exception_handlers={
            Problem: on_problem,
            RequestValidationError: on_invalid,
            HTTPException: on_http_exception,
        },
    )
    # Not `include_router`, which makes every route anew for each app, at its first request.
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    app.mount("/static", assets, name="static")
    # Made once, as FastAPI does: it takes a tenth of a second.
    app.openapi = functools.cache(lambda: describe(app))  # type: ignore[method-assign] # FastAPI's documented way
    return app


def _guards(settings: Settings, metrics: Metrics, bounds: WebBounds) -> list[Middleware]:
    """Outermost first."""
    return [
        *_proxies(settings),
        Middleware(RequestContext, metrics=metrics),
        Middleware(SecurityHeaders, https=settings.is_https),
        Middleware(HostGuard, policy=HostPolicy.of(settings)),
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=CORS_ALLOWED,
            expose_headers=CORS_EXPOSED,
        ),
        Middleware(CrossSiteGuard, policy=OriginPolicy.of(settings)),
        Middleware(BodyGuard, max_text_length=settings.max_text_length, bounds=bounds),
    ]


def _proxies(settings: Settings) -> list[Middleware]:
    """What believes proxies; whom one has signed in is asked of it before addresses change."""
    trusted = list(settings.trusted_proxies)
    if not trusted:
        return [Middleware(UntrustedProxyWarning)]
    believed = [Middleware(ProxyHeadersMiddleware, trusted_hosts=trusted)]
    if settings.auth_mode == "header" and settings.auth_header is not None:
        asked = Middleware(SignedInByProxy, header=settings.auth_header, proxies=trusted)
        believed.insert(0, asked)
    return believed


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _ending(broker: SessionService, seconds: float) -> AsyncIterator[None]:
    """Leaves no session open behind."""
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(seconds):
                await broker.close()
        except TimeoutError:
            sessions, creates = await broker.left()
            log.error(  # noqa: TRY400 - a traceback says nothing here
                "some sessions could not be ended before the deadline",
                session_ids=[session.session_id for session in sessions],
                unanswered_creates=creates,
            )
