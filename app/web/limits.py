"""What routes ask for whose calls are counted: those that reach Kaltura, or that go on record.

A service is not counted: it is trusted with the operator's money already. Nor is `end`, which
saves money, and costs nothing when it is repeated.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Final

from fastapi import Depends, Request, Response

from app.kaltura.contract import Operation
from app.problems import RateLimited
from app.sessions.chronicle import Chronicle
from app.sessions.ownership import Held
from app.sessions.reception import Reception
from app.web.deps import (
    BearerSession,
    BrokerDep,
    CallerDep,
    ChronicleDep,
    OwnSession,
    RatesDep,
    ReceptionDep,
)
from app.web.idempotency import SpeakKey
from app.web.rates import Rate, address_of


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
    reception: Reception
    known: str | None

    async def count(self, waits_as: str | None = None, idempotency_key: str | None = None) -> None:
        """Raises `RateLimited`; `waits_as` is who a ticket says they are."""
        visitor = waits_as or self.known
        if visitor is None or not await self.reception.is_repeated(visitor, idempotency_key):
            await self.meter.count(visitor)

    async def count_opening(self) -> None:
        """The same for who can't wait, or is not who they say."""
        await self.meter.count(self.known)


async def _create(
    request: Request,
    response: Response,
    rates: RatesDep,
    reception: ReceptionDep,
    caller: CallerDep,
) -> CreateMeter:
    known = caller.visitor.id if caller.visitor else None
    return CreateMeter(Meter(rates.create, request, response), reception, known)


CreateMeterDep = Annotated[CreateMeter, Depends(_create)]


async def _speak(request: Request, response: Response, rates: RatesDep) -> Meter:
    return Meter(rates.speak, request, response)


_SpeakMeterDep = Annotated[Meter, Depends(_speak)]


async def _own_to_speak_in(
    held: OwnSession,
    meter: _SpeakMeterDep,
    chronicle: ChronicleDep,
    broker: BrokerDep,
    idempotency_key: SpeakKey = None,
) -> Held:
    if broker.is_repeated(held, idempotency_key):
        return held
    return await _counted(held, meter, chronicle)


async def _bearer_to_speak_in(
    held: BearerSession,
    meter: _SpeakMeterDep,
    chronicle: ChronicleDep,
    broker: BrokerDep,
    idempotency_key: SpeakKey = None,
) -> Held:
    return await _own_to_speak_in(held, meter, chronicle, broker, idempotency_key)


async def _control(request: Request, response: Response, rates: RatesDep) -> Meter:
    return Meter(rates.control, request, response)


_ControlMeterDep = Annotated[Meter, Depends(_control)]


async def _own_to_control(
    held: OwnSession, meter: _ControlMeterDep, chronicle: ChronicleDep
) -> Held:
    return await _counted(held, meter, chronicle)


async def _bearer_to_control(
    held: BearerSession, meter: _ControlMeterDep, chronicle: ChronicleDep
) -> Held:
    return await _counted(held, meter, chronicle)


_MERGED: Final = frozenset({Operation.INIT_CLIENT, Operation.KEEP_ALIVE})
"""What Kaltura and the record hear of a few times a minute, however often a session asks for it.

The address is not counted: the pages of a whole office say that they are there.
"""


async def _counted(held: Held, meter: Meter, chronicle: Chronicle) -> Held:
    if held.visitor is None:
        return held
    try:
        await meter.count(held.visitor, by_address=meter.operation not in _MERGED)
    except RateLimited as problem:
        await chronicle.turned_away(meter.operation, held, problem)
        raise
    return replace(held, address=meter.address)


OwnSessionToSpeakIn = Annotated[Held, Depends(_own_to_speak_in)]
"""`OwnSession`, with one speak counted, unless it was asked for before with the same key."""

BearerSessionToSpeakIn = Annotated[Held, Depends(_bearer_to_speak_in)]
"""`BearerSession`, with one speak counted."""

OwnSessionToControl = Annotated[Held, Depends(_own_to_control)]
"""`OwnSession`, with one call of another control counted."""

BearerSessionToControl = Annotated[Held, Depends(_bearer_to_control)]
"""`BearerSession`, with one call of another control counted."""
