"""What routes ask for.

All of it is `async`, though nothing here waits: FastAPI sends a plain function to a thread, which
costs more than the whole rest of a request.
"""

from typing import Annotated, TypedDict

from fastapi import Depends, Path, Request
from fastapi.templating import Jinja2Templates

from app.audit.record import Record
from app.audit.trail import Trail
from app.sessions.broker import SessionBroker
from app.sessions.chronicle import Chronicle
from app.sessions.clock import SessionClock
from app.sessions.figures import Overview
from app.sessions.ownership import Caller, Held
from app.sessions.readiness import Readiness
from app.sessions.reception import Reception
from app.sessions.usage import Usage
from app.settings import Settings
from app.signals.metrics import Metrics
from app.signals.recent import RecentCalls
from app.web.assets import Assets
from app.web.authorization import token_of
from app.web.open_streams import OpenStreams
from app.web.operators import Operators
from app.web.rates import Rates
from app.web.visitors import Visitors


class State(TypedDict):
    """What the lifespan yields; every request sees it as `request.state`."""

    reception: Reception
    broker: SessionBroker
    chronicle: Chronicle
    record: Record
    trail: Trail
    usage: Usage
    operators: Operators
    settings: Settings
    clock: SessionClock
    readiness: Readiness
    overview: Overview
    metrics: Metrics
    recent: RecentCalls
    streams: OpenStreams
    rates: Rates
    followers: OpenStreams
    visitors: Visitors
    assets: Assets
    templates: Jinja2Templates


async def _reception(request: Request) -> Reception:
    reception: Reception = request.state.reception
    return reception


async def _broker(request: Request) -> SessionBroker:
    broker: SessionBroker = request.state.broker
    return broker


async def _chronicle(request: Request) -> Chronicle:
    chronicle: Chronicle = request.state.chronicle
    return chronicle


async def _record(request: Request) -> Record:
    record: Record = request.state.record
    return record


async def _assets(request: Request) -> Assets:
    assets: Assets = request.state.assets
    return assets


async def _templates(request: Request) -> Jinja2Templates:
    templates: Jinja2Templates = request.state.templates
    return templates


async def _trail(request: Request) -> Trail:
    trail: Trail = request.state.trail
    return trail


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


async def _overview(request: Request) -> Overview:
    overview: Overview = request.state.overview
    return overview


async def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.state.metrics
    return metrics


async def _rates(request: Request) -> Rates:
    rates: Rates = request.state.rates
    return rates


async def _visitors(request: Request) -> Visitors:
    visitors: Visitors = request.state.visitors
    return visitors


ReceptionDep = Annotated[Reception, Depends(_reception)]
BrokerDep = Annotated[SessionBroker, Depends(_broker)]
ChronicleDep = Annotated[Chronicle, Depends(_chronicle)]
RecordDep = Annotated[Record, Depends(_record)]
AssetsDep = Annotated[Assets, Depends(_assets)]
TemplatesDep = Annotated[Jinja2Templates, Depends(_templates)]
TrailDep = Annotated[Trail, Depends(_trail)]
UsageDep = Annotated[Usage, Depends(_usage)]
SettingsDep = Annotated[Settings, Depends(_settings)]
ClockDep = Annotated[SessionClock, Depends(_clock)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]
OverviewDep = Annotated[Overview, Depends(_overview)]
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


async def _own_session(session_id: SessionIdPath, caller: CallerDep, broker: BrokerDep) -> Held:
    return await broker.find(caller, session_id)


async def _bearer_session(session_id: SessionIdPath, request: Request, broker: BrokerDep) -> Held:
    return await broker.find(Caller(token=token_of(request.headers)), session_id)


OwnSession = Annotated[Held, Depends(_own_session)]
"""The caller's own session that the path names; a stranger gets the same 404 as nobody."""

BearerSession = Annotated[Held, Depends(_bearer_session)]
"""Likewise, but by token alone, as Kaltura has it."""
