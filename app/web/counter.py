"""Where sessions are asked for: who asks, whether they may now, and what they are handed."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from app.sessions.opening import OpenedSession
from app.sessions.ownership import Caller
from app.sessions.places import Waiting
from app.sessions.reception import Reception
from app.sessions.wishes import Wish
from app.web.deps import CallerDep, ReceptionDep, VisitorsDep
from app.web.limits import CreateMeter, CreateMeterDep
from app.web.visitors import Visitors


@dataclass(frozen=True)
class Counter:
    """One caller's wish for a session, whoever they are."""

    request: Request
    response: Response
    caller: Caller
    visitors: Visitors
    reception: Reception
    meter: CreateMeter

    async def open(
        self, wish: Wish, ticket: str | None, idempotency_key: str | None
    ) -> OpenedSession | Waiting:
        """A session for this visitor or service, or a place in line."""
        if self.caller.token is not None:
            opened = await self._for_service(self.caller.token, wish, idempotency_key)
        else:
            opened = await self._for_visitor(wish, ticket, idempotency_key)
        if isinstance(opened, OpenedSession):
            await self._hand_over(opened)
        return opened

    async def open_now(self, wish: Wish) -> OpenedSession:
        """A session for a visitor who can't wait in line."""
        await self.meter.count_opening()
        visitor = self.visitors.welcome(self.caller, self.response)
        opened = await self.reception.open_now(visitor.id, wish)
        await self._hand_over(opened)
        return opened

    async def _for_service(
        self, token: str, wish: Wish, idempotency_key: str | None
    ) -> OpenedSession | Waiting:
        if not self.reception.is_service(token):
            await self.meter.count_opening()
        return await self.reception.open_for_service(token, wish, idempotency_key)

    async def _for_visitor(
        self, wish: Wish, ticket: str | None, idempotency_key: str | None
    ) -> OpenedSession | Waiting:
        waits_as = None
        if ticket is not None and not self.visitors.are_signed_in:
            waits_as = self.reception.waits_as(ticket)
        await self.meter.count(waits_as, idempotency_key)
        visitor = waits_as or self.visitors.welcome(self.caller, self.response).id
        return await self.reception.open(visitor, wish, idempotency_key)

    async def _hand_over(self, opened: OpenedSession) -> None:
        hung_up = await self.request.is_disconnected()
        await self.reception.hand_over(opened, hung_up=hung_up)


async def _counter(
    request: Request,
    response: Response,
    caller: CallerDep,
    visitors: VisitorsDep,
    reception: ReceptionDep,
    meter: CreateMeterDep,
) -> Counter:
    return Counter(request, response, caller, visitors, reception, meter)


CounterDep = Annotated[Counter, Depends(_counter)]
