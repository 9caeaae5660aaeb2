"""What routes ask for.

All of it is `async`, though nothing here waits: FastAPI sends a plain function to a thread, which
costs more than the whole rest of a request.
"""

from typing import Annotated, TypedDict

from fastapi import Depends, Path, Request
from fastapi.templating import Jinja2Templates

from app.sessions.broker import SessionBroker
from app.sessions.ownership import Caller, Held
from app.sessions.readiness import Readiness
from app.sessions.reception import Reception
from app.sessions.tokens import Clock
from app.settings import Settings
from app.web.followers import Followers
from app.web.rates import Rates
from app.web.visitors import Visitors, bearer_token


class State(TypedDict):
    """What the lifespan yields; every request sees it as `request.state`."""

    reception: Reception
    broker: SessionBroker
    settings: Settings
    clock: Clock
    readiness: Readiness
    rates: Rates
    followers: Followers
    visitors: Visitors
    templates: Jinja2Templates


async def _reception(request: Request) -> Reception:
    reception: Reception = request.state.reception
    return reception


async def _broker(request: Request) -> SessionBroker:
    broker: SessionBroker = request.state.broker
    return broker


async def _settings(request: Request) -> Settings:
    settings: Settings = request.state.settings
    return settings


async def _clock(request: Request) -> Clock:
    clock: Clock = request.state.clock
    return clock


async def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.state.readiness
    return readiness


async def _rates(request: Request) -> Rates:
    rates: Rates = request.state.rates
    return rates


async def _visitors(request: Request) -> Visitors:
    visitors: Visitors = request.state.visitors
    return visitors


ReceptionDep = Annotated[Reception, Depends(_reception)]
BrokerDep = Annotated[SessionBroker, Depends(_broker)]
SettingsDep = Annotated[Settings, Depends(_settings)]
ClockDep = Annotated[Clock, Depends(_clock)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]
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
    return await broker.find(Caller(token=bearer_token(request)), session_id)


OwnSession = Annotated[Held, Depends(_own_session)]
"""The caller's own session that the path names; a stranger gets the same 404 as nobody."""

BearerSession = Annotated[Held, Depends(_bearer_session)]
"""Likewise, but by token alone, as Kaltura has it."""
