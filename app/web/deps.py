"""What routes ask for.

All of it is `async`, though nothing here waits: FastAPI sends a plain function to a thread, which
costs more than the whole rest of a request.
"""

from typing import Annotated, TypedDict

from fastapi import Depends, Path, Request
from fastapi.templating import Jinja2Templates

from app.audit.reader import AuditReader
from app.audit.writer import AuditWriter
from app.config.settings import Settings
from app.observability.metrics import Metrics
from app.observability.recent_calls import RecentCalls
from app.sessions.access import Caller, SessionGrant
from app.sessions.admission.admission import Admission
from app.sessions.auditing import SessionAuditor
from app.sessions.clock import SessionClock
from app.sessions.readiness import Readiness
from app.sessions.service import SessionService
from app.sessions.stats import StatsReader
from app.sessions.store.usage import Usage
from app.web.authorization import token_of
from app.web.bounds import WebBounds
from app.web.operator.sign_in import Operators
from app.web.rate_limiter import Rates
from app.web.static_files import PageFiles
from app.web.stream_limit import StreamLimit
from app.web.visitor.identification import Visitors


class State(TypedDict):
    """What the lifespan yields; every request sees it as `request.state`."""

    admission: Admission
    broker: SessionService
    auditor: SessionAuditor
    record: AuditWriter
    audit_reader: AuditReader
    bounds: WebBounds
    usage: Usage
    operators: Operators
    settings: Settings
    clock: SessionClock
    readiness: Readiness
    stats_reader: StatsReader
    metrics: Metrics
    recent: RecentCalls
    streams: StreamLimit
    rates: Rates
    followers: StreamLimit
    visitors: Visitors
    assets: PageFiles
    templates: Jinja2Templates


async def _admission(request: Request) -> Admission:
    admission: Admission = request.state.admission
    return admission


async def _broker(request: Request) -> SessionService:
    broker: SessionService = request.state.broker
    return broker


async def _auditor(request: Request) -> SessionAuditor:
    auditor: SessionAuditor = request.state.auditor
    return auditor


async def _record(request: Request) -> AuditWriter:
    record: AuditWriter = request.state.record
    return record


async def _bounds(request: Request) -> WebBounds:
    bounds: WebBounds = request.state.bounds
    return bounds


async def _assets(request: Request) -> PageFiles:
    assets: PageFiles = request.state.assets
    return assets


async def _templates(request: Request) -> Jinja2Templates:
    templates: Jinja2Templates = request.state.templates
    return templates


async def _audit_reader(request: Request) -> AuditReader:
    audit_reader: AuditReader = request.state.audit_reader
    return audit_reader


async def _usage(request: Request) -> Usage:
    usage: Usage = request.state.usage
    return usage


async def _settings(request: Request) -> Settings:
    settings: Settings = request.state.settings
    return settings


async def _clock(request: Request) -> SessionClock:
    clock: SessionClock = request.state.clock
    return clock


async def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.state.readiness
    return readiness


async def _stats_reader(request: Request) -> StatsReader:
    stats_reader: StatsReader = request.state.stats_reader
    return stats_reader


async def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.state.metrics
    return metrics


async def _rates(request: Request) -> Rates:
    rates: Rates = request.state.rates
    return rates


async def _visitors(request: Request) -> Visitors:
    visitors: Visitors = request.state.visitors
    return visitors


AdmissionDep = Annotated[Admission, Depends(_admission)]
SessionServiceDep = Annotated[SessionService, Depends(_broker)]
AuditorDep = Annotated[SessionAuditor, Depends(_auditor)]
AuditWriterDep = Annotated[AuditWriter, Depends(_record)]
AssetsDep = Annotated[PageFiles, Depends(_assets)]
TemplatesDep = Annotated[Jinja2Templates, Depends(_templates)]
AuditReaderDep = Annotated[AuditReader, Depends(_audit_reader)]
BoundsDep = Annotated[WebBounds, Depends(_bounds)]
UsageDep = Annotated[Usage, Depends(_usage)]
SettingsDep = Annotated[Settings, Depends(_settings)]
ClockDep = Annotated[SessionClock, Depends(_clock)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]
StatsReaderDep = Annotated[StatsReader, Depends(_stats_reader)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
RatesDep = Annotated[Rates, Depends(_rates)]
VisitorsDep = Annotated[Visitors, Depends(_visitors)]


async def _own_origin(request: Request, settings: SettingsDep) -> str:
    return settings.public_url or str(request.base_url).rstrip("/")


OwnOriginDep = Annotated[str, Depends(_own_origin)]
"""Where this caller reaches the broker."""


async def _caller(request: Request, visitors: VisitorsDep) -> Caller:
    return await visitors.caller(request)


CallerDep = Annotated[Caller, Depends(_caller)]
"""Who calls: a visitor who is known, the bearer of a token, both, or neither."""


SessionIdPath = Annotated[str, Path(alias="sessionId")]


async def _own_session(
    session_id: SessionIdPath, caller: CallerDep, broker: SessionServiceDep
) -> SessionGrant:
    return await broker.find(caller, session_id)


async def _bearer_session(
    session_id: SessionIdPath, request: Request, broker: SessionServiceDep
) -> SessionGrant:
    return await broker.find(Caller(token=token_of(request.headers)), session_id)


OwnSession = Annotated[SessionGrant, Depends(_own_session)]
"""The caller's own session that the path names; a stranger gets the same 404 as nobody."""

BearerSession = Annotated[SessionGrant, Depends(_bearer_session)]
"""Likewise, but by token alone, as Kaltura has it."""
