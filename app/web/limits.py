"""What routes ask for whose calls are counted: create, and whatever makes an avatar speak.

A service is not counted: it is trusted with the operator's money already.
"""

from dataclasses import dataclass
from typing import Annotated

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

    async def count(self, visitor: str | None) -> None:
        """Raises `RateLimited`; a visitor who is not known yet has the address's share alone."""
        callers = [f"address:{address_of(self.request.scope)}"]
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
    if not broker.is_repeated(held, idempotency_key):
        await _count(held, meter, chronicle)
    return held


async def _bearer_to_speak_in(
    held: BearerSession,
    meter: _SpeakMeterDep,
    chronicle: ChronicleDep,
    broker: BrokerDep,
    idempotency_key: SpeakKey = None,
) -> Held:
    return await _own_to_speak_in(held, meter, chronicle, broker, idempotency_key)


async def _count(held: Held, meter: Meter, chronicle: Chronicle) -> None:
    if held.visitor is not None:
        try:
            await meter.count(held.visitor)
        except RateLimited as problem:
            path = meter.request.scope["path"]
            said = Operation.SAY_AUDIO if path.endswith("-audio") else Operation.SAY_TEXT
            await chronicle.turned_away(said, held, problem)
            raise


OwnSessionToSpeakIn = Annotated[Held, Depends(_own_to_speak_in)]
"""`OwnSession`, with one speak counted, unless it was asked for before with the same key."""

BearerSessionToSpeakIn = Annotated[Held, Depends(_bearer_to_speak_in)]
"""`BearerSession`, likewise."""
