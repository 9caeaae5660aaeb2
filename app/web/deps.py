"""The dependencies of routes.

All are `async`, though few of them wait: FastAPI runs a plain function in a thread, which costs
more than the whole rest of a request.
"""

import asyncio
from typing import Annotated, TypedDict

from fastapi import Depends, Path, Request
from fastapi.templating import Jinja2Templates

from app.audit.reader import AuditReader
from app.audit.writer import AuditWriter
from app.config.settings import Settings
from app.observability.metrics import Metrics
from app.replicas.lease import Lease
from app.sessions.access import AccessControl, Caller, ServiceTokens, SessionGrant
from app.sessions.admission import Admission
from app.sessions.auditing import SessionAuditor
from app.sessions.capacity.budgets import Budgets
from app.sessions.catalog.catalog import Catalog
from app.sessions.catalog.thumbnails import Thumbnails
from app.sessions.clock import SessionClock
from app.sessions.lifecycle.presence import SessionPresence
from app.sessions.readiness import Readiness
from app.sessions.registry import SessionRegistry
from app.sessions.service import SessionService
from app.sessions.speech.service import SpeechService
from app.sessions.stats import StatsReader
from app.sessions.store.overview import SharedOverview
from app.sessions.store.usage import UsageReader
from app.web.authorization import token_of
from app.web.bounds import WebBounds
from app.web.from_state import FromState
from app.web.middleware.forwarder import Forwarder
from app.web.operator.replica_stats import ReplicaStatsReader
from app.web.operator.shared_snapshot import SharedSnapshot
from app.web.operator.sign_in import OperatorAuthenticator
from app.web.rate_limiter import RateLimiters
from app.web.static_files import PageFiles
from app.web.stream_limit import StreamLimit
from app.web.visitor.identification import VisitorAuthenticator


class State(TypedDict):
    """The parts of the application, which its lifespan yields; `FromState` gives them to routes."""

    access_control: AccessControl
    admission: Admission
    assets: PageFiles
    audit_reader: AuditReader
    audit_writer: AuditWriter
    auditor: SessionAuditor
    bounds: WebBounds
    budgets: Budgets
    catalog: Catalog
    clock: SessionClock
    followers: StreamLimit
    forwarder: Forwarder | None
    lease: Lease
    metrics: Metrics
    operator_streams: StreamLimit
    operator_authenticator: OperatorAuthenticator
    overview: SharedOverview | None
    presence: SessionPresence
    rate_limiters: RateLimiters
    readiness: Readiness
    registry: SessionRegistry
    replica_stats: ReplicaStatsReader
    services: ServiceTokens
    sessions: SessionService
    settings: Settings
    shared_snapshot: SharedSnapshot
    speech: SpeechService
    stats_reader: StatsReader
    stopping: asyncio.Event
    templates: Jinja2Templates
    thumbnails: Thumbnails
    usage: UsageReader
    visitor_authenticator: VisitorAuthenticator


AdmissionDep = Annotated[Admission, Depends(FromState("admission"))]
AssetsDep = Annotated[PageFiles, Depends(FromState("assets"))]
AuditReaderDep = Annotated[AuditReader, Depends(FromState("audit_reader"))]
AuditWriterDep = Annotated[AuditWriter, Depends(FromState("audit_writer"))]
AuditorDep = Annotated[SessionAuditor, Depends(FromState("auditor"))]
BoundsDep = Annotated[WebBounds, Depends(FromState("bounds"))]
BudgetsDep = Annotated[Budgets, Depends(FromState("budgets"))]
CatalogDep = Annotated[Catalog, Depends(FromState("catalog"))]
ClockDep = Annotated[SessionClock, Depends(FromState("clock"))]
FollowersDep = Annotated[StreamLimit, Depends(FromState("followers"))]
LeaseDep = Annotated[Lease, Depends(FromState("lease"))]
MetricsDep = Annotated[Metrics, Depends(FromState("metrics"))]
OperatorStreamsDep = Annotated[StreamLimit, Depends(FromState("operator_streams"))]
OverviewDep = Annotated[SharedOverview | None, Depends(FromState("overview"))]
PresenceDep = Annotated[SessionPresence, Depends(FromState("presence"))]
RateLimitersDep = Annotated[RateLimiters, Depends(FromState("rate_limiters"))]
ReadinessDep = Annotated[Readiness, Depends(FromState("readiness"))]
ReplicaStatsDep = Annotated[ReplicaStatsReader, Depends(FromState("replica_stats"))]
SessionServiceDep = Annotated[SessionService, Depends(FromState("sessions"))]
SettingsDep = Annotated[Settings, Depends(FromState("settings"))]
SharedSnapshotDep = Annotated[SharedSnapshot, Depends(FromState("shared_snapshot"))]
SpeechServiceDep = Annotated[SpeechService, Depends(FromState("speech"))]
StatsReaderDep = Annotated[StatsReader, Depends(FromState("stats_reader"))]
StoppingDep = Annotated[asyncio.Event, Depends(FromState("stopping"))]
"""Set when this process is about to stop."""

TemplatesDep = Annotated[Jinja2Templates, Depends(FromState("templates"))]
ThumbnailsDep = Annotated[Thumbnails, Depends(FromState("thumbnails"))]
UsageDep = Annotated[UsageReader, Depends(FromState("usage"))]
VisitorAuthenticatorDep = Annotated[
    VisitorAuthenticator, Depends(FromState("visitor_authenticator"))
]


async def _own_origin(request: Request, settings: SettingsDep) -> str:
    return settings.public_url or str(request.base_url).rstrip("/")


OwnOriginDep = Annotated[str, Depends(_own_origin)]
"""The origin at which this caller reaches the broker."""


def state_of(request: Request) -> State:
    """The state that the lifespan yields, for a dependency that needs several parts of it.

    Each dependency that FastAPI resolves costs about 10 us, so those of every call ask for no
    others.
    """
    state: State = request.scope["state"]
    return state


async def _caller(request: Request) -> Caller:
    state = state_of(request)
    return state["services"].recognised(await state["visitor_authenticator"].caller(request))


CallerDep = Annotated[Caller, Depends(_caller)]
"""Who calls: a visitor who is known, the bearer of a token, both, or neither."""

SessionIdPath = Annotated[str, Path(alias="sessionId")]


async def own_session(request: Request, session_id: SessionIdPath) -> SessionGrant:
    """The caller's own session that the path names; a stranger gets the same 404 as nobody."""
    return await state_of(request)["access_control"].find(await _caller(request), session_id)


async def bearer_session(request: Request, session_id: SessionIdPath) -> SessionGrant:
    """The session that the path names, for the bearer of its token, as Kaltura has it."""
    state = state_of(request)
    caller = state["services"].recognised(Caller(token=token_of(request.headers)))
    return await state["access_control"].find(caller, session_id)


OwnSession = Annotated[SessionGrant, Depends(own_session)]
BearerSession = Annotated[SessionGrant, Depends(bearer_session)]
