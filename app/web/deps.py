"""What routes ask for.

All of it is `async`, though little here waits: FastAPI sends a plain function to a thread, which
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
from app.sessions.access import AccessControl, Caller, Services, SessionGrant
from app.sessions.admission import Admission
from app.sessions.auditing import SessionAuditor
from app.sessions.capacity.budgets import Budgets
from app.sessions.clock import SessionClock
from app.sessions.lifecycle.presence import SessionPresence
from app.sessions.readiness import Readiness
from app.sessions.service import SessionService
from app.sessions.speech.service import SpeechService
from app.sessions.stats import StatsReader
from app.sessions.store.usage import Usage
from app.web.authorization import token_of
from app.web.from_state import FromState
from app.web.operator.sign_in import Operators
from app.web.rate_limiter import Rates
from app.web.static_files import PageFiles
from app.web.stream_limit import StreamLimit
from app.web.visitor.identification import Visitors


class State(TypedDict):
    """What the lifespan yields; `FromState` gives its parts to routes."""

    access_control: AccessControl
    admission: Admission
    assets: PageFiles
    audit_reader: AuditReader
    audit_writer: AuditWriter
    auditor: SessionAuditor
    budgets: Budgets
    clock: SessionClock
    followers: StreamLimit
    metrics: Metrics
    operator_streams: StreamLimit
    operators: Operators
    presence: SessionPresence
    rates: Rates
    readiness: Readiness
    recent_calls: RecentCalls
    services: Services
    sessions: SessionService
    settings: Settings
    speech: SpeechService
    stats_reader: StatsReader
    templates: Jinja2Templates
    usage: Usage
    visitors: Visitors


AccessControlDep = Annotated[AccessControl, Depends(FromState("access_control"))]
AdmissionDep = Annotated[Admission, Depends(FromState("admission"))]
AssetsDep = Annotated[PageFiles, Depends(FromState("assets"))]
AuditReaderDep = Annotated[AuditReader, Depends(FromState("audit_reader"))]
AuditWriterDep = Annotated[AuditWriter, Depends(FromState("audit_writer"))]
AuditorDep = Annotated[SessionAuditor, Depends(FromState("auditor"))]
BudgetsDep = Annotated[Budgets, Depends(FromState("budgets"))]
ClockDep = Annotated[SessionClock, Depends(FromState("clock"))]
FollowersDep = Annotated[StreamLimit, Depends(FromState("followers"))]
MetricsDep = Annotated[Metrics, Depends(FromState("metrics"))]
OperatorStreamsDep = Annotated[StreamLimit, Depends(FromState("operator_streams"))]
PresenceDep = Annotated[SessionPresence, Depends(FromState("presence"))]
RatesDep = Annotated[Rates, Depends(FromState("rates"))]
ReadinessDep = Annotated[Readiness, Depends(FromState("readiness"))]
RecentCallsDep = Annotated[RecentCalls, Depends(FromState("recent_calls"))]
ServicesDep = Annotated[Services, Depends(FromState("services"))]
SessionServiceDep = Annotated[SessionService, Depends(FromState("sessions"))]
SettingsDep = Annotated[Settings, Depends(FromState("settings"))]
SpeechServiceDep = Annotated[SpeechService, Depends(FromState("speech"))]
StatsReaderDep = Annotated[StatsReader, Depends(FromState("stats_reader"))]
TemplatesDep = Annotated[Jinja2Templates, Depends(FromState("templates"))]
UsageDep = Annotated[Usage, Depends(FromState("usage"))]
VisitorsDep = Annotated[Visitors, Depends(FromState("visitors"))]


async def _own_origin(request: Request, settings: SettingsDep) -> str:
    return settings.public_url or str(request.base_url).rstrip("/")


OwnOriginDep = Annotated[str, Depends(_own_origin)]
"""Where this caller reaches the broker."""


async def _caller(request: Request, visitors: VisitorsDep, services: ServicesDep) -> Caller:
    return services.recognised(await visitors.caller(request))


CallerDep = Annotated[Caller, Depends(_caller)]
"""Who calls: a visitor who is known, the bearer of a token, both, or neither."""


async def _bearer(request: Request, services: ServicesDep) -> Caller:
    return services.recognised(Caller(token=token_of(request.headers)))


BearerDep = Annotated[Caller, Depends(_bearer)]
"""Who calls, by their token alone."""

SessionIdPath = Annotated[str, Path(alias="sessionId")]


async def _own_session(
    session_id: SessionIdPath, caller: CallerDep, access_control: AccessControlDep
) -> SessionGrant:
    return await access_control.find(caller, session_id)


async def _bearer_session(
    session_id: SessionIdPath, caller: BearerDep, access_control: AccessControlDep
) -> SessionGrant:
    return await access_control.find(caller, session_id)


OwnSession = Annotated[SessionGrant, Depends(_own_session)]
"""The caller's own session that the path names; a stranger gets the same 404 as nobody."""

BearerSession = Annotated[SessionGrant, Depends(_bearer_session)]
"""The session that the path names, for the bearer of its token, as Kaltura has it."""
