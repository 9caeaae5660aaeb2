"""Dependencies of routes whose calls are counted: those that reach Kaltura or are recorded.

Services are not counted, since the operator trusts them. Nor is `end`, which saves money and costs
nothing when it is repeated.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Final

from fastapi import Depends, Request, Response

from app.kaltura.contract import Operation
from app.problems import RateLimited
from app.sessions.access import SessionGrant
from app.sessions.admission import Admission
from app.sessions.auditing import SessionAuditor
from app.web.deps import (
    AdmissionDep,
    RatesDep,
    SessionIdPath,
    bearer_session,
    own_session,
    state_of,
)
from app.web.rate_limiter import Rate, address_of
from app.web.visitor.idempotency import SpeakKey


@dataclass(frozen=True)
class Meter:
    """Counts one call for its visitor and for its address."""

    rate: Rate
    request: Request
    response: Response

    @cached_property
    def address(self) -> str:
        """The network address that the call comes from."""
        return address_of(self.request.scope)

    @property
    def operation(self) -> Operation:
        """The control that the path is for, in the visitor API or on the mirror."""
        path: str = self.request.scope["path"]
        name = path.rpartition("/")[2]
        own_names = {"speak": Operation.SAY_TEXT, "speak-audio": Operation.SAY_AUDIO}
        return own_names.get(name) or Operation(name)

    async def count(self, visitor: str | None, *, by_address: bool = True) -> None:
        """Count the call; raises `RateLimited`. For an unknown visitor the address alone counts."""
        callers = [f"address:{self.address}"] if by_address or visitor is None else []
        if visitor is not None:
            callers.append(f"visitor:{visitor}")
        self.response.headers.update(await self.rate.take(*callers))


@dataclass(frozen=True)
class CreateMeter:
    """Counts requests that begin something: an opening, or a place in line.

    Repeated requests begin nothing and are not counted, so a visitor in line, or one who lost an
    answer, is not refused. Places and sessions, which are counted, bound them.
    """

    meter: Meter
    admission: Admission

    async def count(self, visitor: str | None, idempotency_key: str | None) -> None:
        """Count the request unless it repeats one; `visitor` is None for one not known before."""
        if visitor is None or not await self.admission.is_repeated(visitor, idempotency_key):
            await self.meter.count(visitor)

    async def count_opening(self, visitor: str | None) -> None:
        """Count an opening for a caller who can't wait in line; raises `RateLimited`."""
        await self.meter.count(visitor)


async def _create(
    request: Request,
    response: Response,
    rates: RatesDep,
    admission: AdmissionDep,
) -> CreateMeter:
    return CreateMeter(Meter(rates.create, request, response), admission)


CreateMeterDep = Annotated[CreateMeter, Depends(_create)]


async def _own_to_speak_in(
    request: Request,
    response: Response,
    session_id: SessionIdPath,
    idempotency_key: SpeakKey = None,
) -> SessionGrant:
    grant = await own_session(request, session_id)
    return await _to_speak_in(grant, request, response, idempotency_key)


async def _bearer_to_speak_in(
    request: Request,
    response: Response,
    session_id: SessionIdPath,
    idempotency_key: SpeakKey = None,
) -> SessionGrant:
    grant = await bearer_session(request, session_id)
    return await _to_speak_in(grant, request, response, idempotency_key)


async def _to_speak_in(
    grant: SessionGrant, request: Request, response: Response, idempotency_key: str | None
) -> SessionGrant:
    state = state_of(request)
    if state["speech"].is_repeated(grant, idempotency_key):
        return grant
    meter = Meter(state["rates"].speak, request, response)
    return await _counted(grant, meter, state["auditor"])


async def _own_to_control(
    request: Request, response: Response, session_id: SessionIdPath
) -> SessionGrant:
    return await _to_control(await own_session(request, session_id), request, response)


async def _bearer_to_control(
    request: Request, response: Response, session_id: SessionIdPath
) -> SessionGrant:
    return await _to_control(await bearer_session(request, session_id), request, response)


async def _to_control(grant: SessionGrant, request: Request, response: Response) -> SessionGrant:
    state = state_of(request)
    return await _counted(grant, Meter(state["rates"].control, request, response), state["auditor"])


_MERGED: Final = frozenset({Operation.INIT_CLIENT, Operation.KEEP_ALIVE})
"""Controls that are merged, so that Kaltura and the record get a few a minute for each session.

Their address is not counted: an office with one address may have many pages open.
"""


async def _counted(grant: SessionGrant, meter: Meter, auditor: SessionAuditor) -> SessionGrant:
    if grant.visitor is None:
        return grant
    try:
        await meter.count(grant.visitor, by_address=meter.operation not in _MERGED)
    except RateLimited as problem:
        await auditor.refused_call(meter.operation, grant, problem)
        raise
    return replace(grant, address=meter.address)


OwnSessionToSpeakIn = Annotated[SessionGrant, Depends(_own_to_speak_in)]
"""`OwnSession`, with one speak counted, unless it was asked for before with the same key."""

BearerSessionToSpeakIn = Annotated[SessionGrant, Depends(_bearer_to_speak_in)]
"""`BearerSession`, with one speak counted."""

OwnSessionToControl = Annotated[SessionGrant, Depends(_own_to_control)]
"""`OwnSession`, with one call of another control counted."""

BearerSessionToControl = Annotated[SessionGrant, Depends(_bearer_to_control)]
"""`BearerSession`, with one call of another control counted."""
