"""What routes ask for whose calls are counted: those that reach Kaltura, or that go on record.

A service is not counted: it is trusted with the operator's money already. Nor is `end`, which
saves money, and costs nothing when it is repeated.
"""

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
    AuditorDep,
    BearerSession,
    CallerDep,
    OwnSession,
    RatesDep,
    SpeechServiceDep,
)
from app.web.rate_limiter import Rate, address_of
from app.web.visitor.idempotency import SpeakKey


@dataclass(frozen=True)
class Meter:
    """Counts one call, for its visitor and for the address that it comes from."""

    rate: Rate
    request: Request
    response: Response

    @property
    def address(self) -> str:
        """The network address that the call comes from."""
        return address_of(self.request.scope)

    @property
    def operation(self) -> Operation:
        """Which control the path is for, on either surface."""
        path: str = self.request.scope["path"]
        name = path.rpartition("/")[2]
        own_names = {"speak": Operation.SAY_TEXT, "speak-audio": Operation.SAY_AUDIO}
        return own_names.get(name) or Operation(name)

    async def count(self, visitor: str | None, *, by_address: bool = True) -> None:
        """Raises `RateLimited`; a visitor who is not known yet has the address's share alone."""
        callers = [f"address:{self.address}"] if by_address or visitor is None else []
        if visitor is not None:
            callers.append(f"visitor:{visitor}")
        self.response.headers.update(await self.rate.take(*callers))


@dataclass(frozen=True)
class CreateMeter:
    """Counts what begins something: an opening, or a place in line.

    Asking again begins nothing, so whoever waits their turn, or lost an answer, need not fear to
    be refused. It is bounded by what they paid for: the places in line, the sessions.
    """

    meter: Meter
    admission: Admission
    known: str | None

    async def count(self, waits_as: str | None = None, idempotency_key: str | None = None) -> None:
        """Raises `RateLimited`; `waits_as` is who a ticket says they are."""
        visitor = waits_as or self.known
        if visitor is None or not await self.admission.is_repeated(visitor, idempotency_key):
            await self.meter.count(visitor)

    async def count_opening(self) -> None:
        """The same for who can't wait, or is not who they say."""
        await self.meter.count(self.known)


async def _create(
    request: Request,
    response: Response,
    rates: RatesDep,
    admission: AdmissionDep,
    caller: CallerDep,
) -> CreateMeter:
    known = caller.visitor.id if caller.visitor else None
    return CreateMeter(Meter(rates.create, request, response), admission, known)


CreateMeterDep = Annotated[CreateMeter, Depends(_create)]


async def _speak(request: Request, response: Response, rates: RatesDep) -> Meter:
    return Meter(rates.speak, request, response)


_SpeakMeterDep = Annotated[Meter, Depends(_speak)]


async def _own_to_speak_in(
    grant: OwnSession,
    meter: _SpeakMeterDep,
    auditor: AuditorDep,
    speech: SpeechServiceDep,
    idempotency_key: SpeakKey = None,
) -> SessionGrant:
    if speech.is_repeated(grant, idempotency_key):
        return grant
    return await _counted(grant, meter, auditor)


async def _bearer_to_speak_in(
    grant: BearerSession,
    meter: _SpeakMeterDep,
    auditor: AuditorDep,
    speech: SpeechServiceDep,
    idempotency_key: SpeakKey = None,
) -> SessionGrant:
    return await _own_to_speak_in(grant, meter, auditor, speech, idempotency_key)


async def _control(request: Request, response: Response, rates: RatesDep) -> Meter:
    return Meter(rates.control, request, response)


_ControlMeterDep = Annotated[Meter, Depends(_control)]


async def _own_to_control(
    grant: OwnSession, meter: _ControlMeterDep, auditor: AuditorDep
) -> SessionGrant:
    return await _counted(grant, meter, auditor)


async def _bearer_to_control(
    grant: BearerSession, meter: _ControlMeterDep, auditor: AuditorDep
) -> SessionGrant:
    return await _counted(grant, meter, auditor)


_MERGED: Final = frozenset({Operation.INIT_CLIENT, Operation.KEEP_ALIVE})
"""What Kaltura and the record hear of a few times a minute, however often a session asks for it.

The address is not counted: the pages of a whole office say that they are there.
"""


async def _counted(grant: SessionGrant, meter: Meter, auditor: SessionAuditor) -> SessionGrant:
    if grant.visitor is None:
        return grant
    try:
        await meter.count(grant.visitor, by_address=meter.operation not in _MERGED)
    except RateLimited as problem:
        await auditor.refused_call(meter.operation, grant.session, grant.service, problem)
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
