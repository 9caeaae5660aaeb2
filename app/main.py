"""The broker's ASGI application: its wiring, its lifespan and its middleware."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.templating import Jinja2Templates
from opentelemetry.trace import TracerProvider
from starlette.exceptions import HTTPException

from app import __version__
from app.audit.reader import AuditReader
from app.audit.retention import Retention
from app.audit.writer import AuditWriter
from app.config.settings import Settings
from app.db.database import Database, is_postgres, open_database
from app.identity.assembly import token_verifier
from app.kaltura.late_responses import LATE_SECONDS
from app.kaltura.observation import combined, when_over
from app.migrations import prepare
from app.observability.metrics import Metrics
from app.observability.recent_calls import RecentCalls
from app.observability.tracing import UNTRACED, Traces
from app.problems import Problem
from app.replicas.client import open_replica_client
from app.replicas.forwarded_call import ForwardedCallHeader
from app.replicas.lease import LINE_CHANGED, SESSIONS_MOVED, Lease
from app.replicas.membership import lease_of
from app.replicas.owners import SessionOwners
from app.replicas.rates import SharedRateCounter
from app.replicas.secret_key_canary import require_shared_secret_key
from app.sessions.access import ServiceTokens
from app.sessions.assembly import assemble, kaltura_client, picture_client
from app.sessions.capacity.shared_store import SharedCapacityStore
from app.sessions.catalog.thumbnails import Thumbnails
from app.sessions.clock import Clocks, SessionClock
from app.sessions.keyring import Keyring, keyring_of
from app.sessions.lifecycle.handover import Handover
from app.sessions.lifecycle.shutdown import SessionShutdown
from app.sessions.speech.assembly import speech_services
from app.sessions.speech.text.installed_hooks import installed_hooks
from app.sessions.store.assembly import session_store
from app.sessions.store.overview import SharedOverview
from app.sessions.store.owner_lookup import OwnerLookup
from app.sessions.store.usage import UsageReader
from app.web.bounds import WebBounds
from app.web.deps import State
from app.web.docs.openapi import describe
from app.web.error_responses import on_http_exception, on_invalid, on_problem
from app.web.middleware.forwarder import Forwarder
from app.web.middleware.session_routes import SessionRoutes
from app.web.middleware.stack import middleware
from app.web.operator.replica_stats import ReplicaStatsReader
from app.web.operator.shared_snapshot import SharedSnapshot
from app.web.operator.sign_in import OperatorAuthenticator
from app.web.operator.streams import MAX_STREAMS
from app.web.rate_limiter import RateLimiters
from app.web.routes import ROUTERS
from app.web.static_files import PageFiles
from app.web.stream_limit import StreamLimit
from app.web.visitor.events import MAX_FOLLOWERS, MAX_FOLLOWERS_PER_SESSION
from app.web.visitor.identification import visitor_authenticator

ROOT: Final = Path(__file__).parent.parent
SHUTDOWN_SECONDS: Final = 6
"""How long ending every session may take at shutdown.

`app.server.process.GRACE_SECONDS` come before it; both together are less than the 10 s after which
a container is killed.
"""

SAVE_SECONDS: Final = 10
"""How long it may take to write a session that Kaltura has opened."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Transports:
    """The transports of the broker's own calls; None is the real network, tests pass their own."""

    kaltura: httpx.AsyncBaseTransport | None = None
    pictures: httpx.AsyncBaseTransport | None = None
    """Carries requests for pictures of the catalog."""

    login: httpx.AsyncBaseTransport | None = None
    speech: httpx.AsyncBaseTransport | None = None
    """Carries calls of the text-to-speech service and of the speech hook."""


def create_app(
    settings: Settings,
    *,
    transports: Transports = Transports(),
    clocks: Clocks = Clocks(),  # noqa: B008 - a frozen value
    tracer_provider: TracerProvider | None = None,
    bounds: WebBounds = WebBounds(),  # noqa: B008 - a frozen value
    shutdown_seconds: float = SHUTDOWN_SECONDS,
    listening_at: tuple[str, int] | None = None,
    stopping: asyncio.Event | None = None,
    drained: asyncio.Event | None = None,
) -> FastAPI:
    """Make the broker's application.

    Raises `SettingsError` without a KS or an avatar, or when an installed speech hook can't be
    loaded. With a `tracer_provider` requests are traced. Ending the sessions takes at most
    `shutdown_seconds`. `listening_at` is the address and port of the server, which other replicas
    are told. The server sets `stopping` before it ends the lifespan, and should first wait for
    `drained`, which the application sets once other replicas have its sessions.
    """
    settings.required_to_serve()
    stopping = stopping or asyncio.Event()
    has_replicas = is_postgres(settings.database_url)
    hooks = installed_hooks()
    metrics, recent_calls = Metrics(), RecentCalls(clocks.monotonic)
    assets = PageFiles(ROOT / "static", clocks.monotonic)
    templates = Jinja2Templates(ROOT / "templates")
    templates.env.globals["asset"] = assets.url
    traces = None if tracer_provider is None else Traces(tracer_provider)
    observer = when_over(metrics.called, recent_calls.add)
    if traces is not None:
        observer = combined(traces.observe, observer)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with (
            open_database(settings.database_url, prepare) as database,
            lease_of(
                settings,
                database,
                version=__version__,
                listening_at=listening_at,
                monotonic=clocks.monotonic,
            ) as lease,
            contextlib.aclosing(
                kaltura_client(settings, transports.kaltura, clocks, observer)
            ) as client,
            contextlib.aclosing(
                picture_client(settings, transports.pictures, observer)
            ) as pictures,
            token_verifier(
                settings,
                transport=transports.login,
                clock=clocks.wall,
                monotonic=clocks.monotonic,
            ) as verifier,
            speech_services(
                settings, hooks=hooks, monotonic=clocks.monotonic, transport=transports.speech
            ) as speech_parts,
        ):
            keyring, clock = keyring_of(settings), SessionClock(clocks.wall, clocks.monotonic)
            if has_replicas:
                await require_shared_secret_key(database, keyring.at_rest())
            audit_writer = AuditWriter(
                database,
                required=settings.audit_required,
                monotonic=clocks.monotonic,
                clock=clocks.wall,
            )
            retention = Retention(
                database,
                days=settings.audit_retention_days,
                clock=clocks.wall,
                sleep=clocks.sleep,
            )
            overview = SharedOverview(database) if has_replicas else None
            domain = assemble(
                settings,
                client=client,
                store=session_store(
                    database,
                    keyring.at_rest(),
                    base_url=settings.avatar_base_url,
                    clock=clock,
                    lease=lease,
                ),
                lease=lease,
                keyring=keyring,
                record=audit_writer,
                services=speech_parts,
                clocks=clocks,
                clock=clock,
                shared_capacity=_shared_capacity(settings, database, keyring),
                overview=overview,
                is_record_down=lambda: not database.is_available,
            )
            followers = StreamLimit(of_one=MAX_FOLLOWERS_PER_SESSION, of_all=MAX_FOLLOWERS)
            operator_streams = StreamLimit(of_one=MAX_STREAMS, of_all=MAX_STREAMS)
            tell = (followers.close, operator_streams.close, domain.admission.stop)
            shared_rates = SharedRateCounter(database, keyring.rates()) if has_replicas else None
            lease.on_lost(domain.registry.lose_all)
            replica_stats = ReplicaStatsReader(domain.stats_reader, recent_calls, domain.service)
            lease.tell(replica_stats.told)
            lease.on_notify(LINE_CHANGED, lambda _: domain.capacity.notify())
            for warning in domain.readiness.warnings():
                log.warning(warning)
            async with (
                audit_writer.running(),
                contextlib.aclosing(domain.registry),
                contextlib.aclosing(domain.catalog),
                contextlib.aclosing(
                    Thumbnails(domain.catalog, pictures, clocks.monotonic)
                ) as thumbnails,
                _in_background(domain.reaper.run(lease.wait_for_deaths)),
                _in_background(retention.run()),
                _in_background(_drain(stopping, tell, lease, domain.handover, drained)),
                contextlib.nullcontext()
                if shared_rates is None
                else _in_background(shared_rates.run(clocks.sleep)),
                _forwarder(settings, database, keyring, clocks, metrics) as forwarder,
                _closed_at_exit(domain.shutdown, shutdown_seconds),
            ):
                if forwarder is not None:
                    lease.on_notify(SESSIONS_MOVED, lambda _: forwarder.owners.forget_all())
                await domain.registry.take_over()
                yield State(
                    access_control=domain.access_control,
                    admission=domain.admission,
                    assets=assets,
                    audit_reader=AuditReader(database, audit_writer),
                    audit_writer=audit_writer,
                    auditor=domain.auditor,
                    bounds=bounds,
                    budgets=domain.budgets,
                    catalog=domain.catalog,
                    clock=clock,
                    followers=followers,
                    forwarder=forwarder,
                    lease=lease,
                    metrics=metrics,
                    operator_streams=operator_streams,
                    operator_authenticator=OperatorAuthenticator(
                        settings, keyring.operators(), clocks.wall
                    ),
                    overview=overview,
                    presence=domain.presence,
                    rate_limiters=RateLimiters.of(settings, shared_rates),
                    readiness=domain.readiness,
                    registry=domain.registry,
                    replica_stats=replica_stats,
                    services=ServiceTokens(settings.service_tokens),
                    sessions=domain.service,
                    settings=settings,
                    shared_snapshot=SharedSnapshot(clocks.monotonic),
                    speech=domain.speech,
                    stats_reader=domain.stats_reader,
                    stopping=stopping,
                    templates=templates,
                    thumbnails=thumbnails,
                    usage=UsageReader(
                        database, base_url=settings.avatar_base_url, clock=clocks.wall
                    ),
                    visitor_authenticator=visitor_authenticator(settings, verifier, keyring),
                )

    app = FastAPI(
        title="Avatar Broker",
        description="A backend-for-frontend for Kaltura avatars.",
        version=__version__,
        lifespan=lifespan,
        telemetry=UNTRACED if traces is None else traces.telemetry,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # behind a proxy with TLS a redirect would lead to http
        middleware=middleware(
            settings,
            metrics,
            forwarded=SessionRoutes(ROUTERS) if has_replicas else None,
            monotonic=clocks.monotonic,
            bounds=bounds,
        ),
        exception_handlers={
            Problem: on_problem,
            RequestValidationError: on_invalid,
            HTTPException: on_http_exception,
        },
    )
    # Not `include_router`, which builds every route again for each app, at its first request.
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    app.mount("/static", assets, name="static")
    # Cached, as FastAPI's own is: making the document takes a tenth of a second.
    app.openapi = functools.cache(lambda: describe(app, settings))  # type: ignore[method-assign] # FastAPI's documented way
    return app


def _shared_capacity(
    settings: Settings, database: Database, keyring: Keyring
) -> SharedCapacityStore | None:
    """The state of capacity that processes on one Postgres share; None with SQLite."""
    if not is_postgres(settings.database_url):
        return None
    return SharedCapacityStore(
        database,
        base_url=settings.avatar_base_url,
        max_waiting=settings.max_waiting,
        ticket_key=keyring.tickets(),
        opening_seconds=settings.upstream_timeout_seconds + LATE_SECONDS + SAVE_SECONDS,
    )


@contextlib.asynccontextmanager
async def _forwarder(
    settings: Settings, database: Database, keyring: Keyring, clocks: Clocks, metrics: Metrics
) -> AsyncIterator[Forwarder | None]:
    """The forwarder of calls to other replicas; None with SQLite, which has no replicas."""
    if not is_postgres(settings.database_url):
        yield None
        return
    owners = SessionOwners(OwnerLookup(database, clocks.wall).find, clocks.monotonic)
    async with open_replica_client() as client, _in_background(owners.run()):
        yield Forwarder(
            client=client,
            owners=owners,
            header=ForwardedCallHeader(keyring.forwarding(), clocks.wall),
            own_name=lambda: database.process_name,
            clocks=clocks,
            count=metrics.forwarded,
        )


@contextlib.asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` in a task during the block, and cancel it afterwards."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _drain(
    stopping: asyncio.Event,
    tell: Iterable[Callable[[], None]],
    lease: Lease,
    handover: Handover,
    drained: asyncio.Event | None,
) -> None:
    """After `stopping`, call each of `tell`, and hand the sessions over to other replicas."""
    await stopping.wait()
    for each in tell:
        each()
    await lease.drain()
    await handover.run()
    if drained is not None:
        drained.set()


@contextlib.asynccontextmanager
async def _closed_at_exit(shutdown: SessionShutdown, seconds: float) -> AsyncIterator[None]:
    """End every session after the block, in `seconds` at most, and log those that remain."""
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(seconds):
                await shutdown.close()
        except TimeoutError:
            sessions, creates = shutdown.left()
            log.error(  # noqa: TRY400 - a traceback would only show this timeout
                "some sessions could not be ended before the deadline",
                session_ids=[session.session_id for session in sessions],
                unanswered_creates=creates,
            )
