"""Dependencies of routes whose calls are counted: those that reach Kaltura or are recorded.

Services are not counted, since the operator trusts them. Nor is `end`, which saves money and costs
nothing when it is repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final

from fastapi import Depends, Request, Response

from app.kaltura.contract import Operation
from app.problems import RateLimited
from app.sessions.access import SessionGrant
from app.sessions.admission import Admission
from app.sessions.auditing import SessionAuditor
from app.web.deps import (
    AdmissionDep,
    RateLimitersDep,
    SessionIdPath,
    bearer_session,
    own_session,
    state_of,
)
from app.web.rate_limiter import RateLimiter, address_of
from app.web.visitor.idempotency import SpeakKey

Counted = tuple[SessionGrant, Mapping[str, str]]
"""A grant whose caller's address is known, and the headers that tell what is left of the rate."""


@dataclass(frozen=True)
class CallRateLimiter:
    """Counts one call for its visitor and for its address."""

    limiter: RateLimiter
    address: str
    """The network address that the call comes from."""

    async def count(self, visitor: str | None, *, by_address: bool = True) -> Mapping[str, str]:
        """Count the call, and return the headers that tell what is left; raises `RateLimited`.

        For an unknown visitor the address alone counts.
        """
        callers = [f"address:{self.address}"] if by_address or visitor is None else []
        if visitor is not None:
            callers.append(f"visitor:{visitor}")
        return await self.limiter.take(*callers)


@dataclass(frozen=True)
class CreateRateLimiter:
    """Counts requests that begin something: an opening, or a place in line.

    Repeated requests begin nothing and are not counted, so a visitor in line, or one who lost an
    answer, is not refused. Places and sessions, which are counted, bound them.
    """

    limiter: CallRateLimiter
    admission: Admission
    response: Response

    async def count(self, visitor: str | None, idempotency_key: str | None) -> None:
        """Count the request unless it repeats one; `visitor` is None for one not known before."""
        if visitor is None or not await self.admission.is_repeated(visitor, idempotency_key):
            await self.count_opening(visitor)

    async def count_opening(self, visitor: str | None) -> None:
        """Count an opening for a caller who can't wait in line; raises `RateLimited`."""
        self.response.headers.update(await self.limiter.count(visitor))


async def _create(
    request: Request,
    response: Response,
    limiters: RateLimitersDep,
    admission: AdmissionDep,
) -> CreateRateLimiter:
    limiter = CallRateLimiter(limiters.create, address_of(request.scope))
    return CreateRateLimiter(limiter, admission, response)


CreateRateLimiterDep = Annotated[CreateRateLimiter, Depends(_create)]


async def count_speak(
    request: Request, grant: SessionGrant, idempotency_key: str | None
) -> Counted:
    """Count one speak, unless it was asked for before with the same key; raises `RateLimited`."""
    state = state_of(request)
    if state["speech"].is_repeated(grant, idempotency_key):
        return grant, {}
    return await _counted(request, grant, state["rate_limiters"].speak, state["auditor"])


async def count_control(request: Request, grant: SessionGrant) -> Counted:
    """Count one call of another control; raises `RateLimited`."""
    state = state_of(request)
    return await _counted(request, grant, state["rate_limiters"].control, state["auditor"])


async def _own_to_speak_in(
    request: Request,
    response: Response,
    session_id: SessionIdPath,
    idempotency_key: SpeakKey = None,
) -> SessionGrant:
    grant = await own_session(request, session_id)
    return _told(response, await count_speak(request, grant, idempotency_key))


async def _bearer_to_speak_in(
    request: Request,
    response: Response,
    session_id: SessionIdPath,
    idempotency_key: SpeakKey = None,
) -> SessionGrant:
    grant = await bearer_session(request, session_id)
    return _told(response, await count_speak(request, grant, idempotency_key))


async def _bearer_to_control(
    request: Request, response: Response, session_id: SessionIdPath
) -> SessionGrant:
    grant = await bearer_session(request, session_id)
    return _told(response, await count_control(request, grant))


def _told(response: Response, counted: Counted) -> SessionGrant:
    grant, headers = counted
    response.headers.update(headers)
    return grant


_OWN_NAMES: Final = {"speak": Operation.SAY_TEXT, "speak-audio": Operation.SAY_AUDIO}
_MERGED: Final = frozenset({Operation.INIT_CLIENT, Operation.KEEP_ALIVE})
"""Controls that are merged, so that Kaltura and the record get a few a minute for each session.

Their address is not counted: an office with one address may have many pages open.
"""


async def _counted(
    request: Request, grant: SessionGrant, limiter: RateLimiter, auditor: SessionAuditor
) -> Counted:
    if grant.visitor is None:
        return grant, {}
    operation = _operation(request)
    call = CallRateLimiter(limiter, address_of(request.scope))
    try:
        headers = await call.count(grant.visitor, by_address=operation not in _MERGED)
    except RateLimited as problem:
        await auditor.refused_call(operation, grant, problem)
        raise
    return replace(grant, address=call.address), headers


def _operation(request: Request) -> Operation:
    """The control that the path is for, in the visitor API or on the mirror."""
    path: str = request.scope["path"]
    name = path.rpartition("/")[2]
    return _OWN_NAMES.get(name) or Operation(name)


OwnSessionToSpeakIn = Annotated[SessionGrant, Depends(_own_to_speak_in)]
"""`OwnSession`, with one speak counted, unless it was asked for before with the same key."""

BearerSessionToSpeakIn = Annotated[SessionGrant, Depends(_bearer_to_speak_in)]
"""`BearerSession`, with one speak counted."""

BearerSessionToControl = Annotated[SessionGrant, Depends(_bearer_to_control)]
"""`BearerSession`, with one call of another control counted."""
