"""Where sessions are asked for: who asks, whether they may now, and what they are handed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from app.problems import Problem
from app.sessions.chronicle import Chronicle
from app.sessions.opening import OpenedSession
from app.sessions.ownership import Caller
from app.sessions.places import Waiting
from app.sessions.reception import Reception
from app.sessions.wishes import Wish
from app.web.deps import CallerDep, ChronicleDep, ReceptionDep, VisitorsDep
from app.web.limits import CreateMeter, CreateMeterDep
from app.web.rates import address_of
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
    chronicle: Chronicle

    @property
    def address(self) -> str:
        """The network address that they call from."""
        return address_of(self.request.scope)

    async def open(
        self, wish: Wish, ticket: str | None, idempotency_key: str | None
    ) -> OpenedSession | Waiting:
        """A session for this visitor or service, or a place in line."""
        async with self._refusals_on_record(wish):
            token = self._token_of_service()
            if token is not None:
                opened = await self._for_service(token, wish, idempotency_key)
            else:
                opened = await self._for_visitor(wish, ticket, idempotency_key)
        if isinstance(opened, OpenedSession):
            await self._hand_over(opened)
        return opened

    async def open_now(self, wish: Wish) -> OpenedSession:
        """A session for a visitor who can't wait in line."""
        async with self._refusals_on_record(wish):
            await self.meter.count_opening()
            visitor = self.visitors.welcome(self.caller, self.response)
            opened = await self.reception.open_now(
                visitor.id, wish, called=visitor.name, address=self.address
            )
        await self._hand_over(opened)
        return opened

    @asynccontextmanager
    async def _refusals_on_record(self, wish: Wish) -> AsyncIterator[None]:
        try:
            yield
        except Problem as problem:
            visitor = self.caller.visitor
            token = self.caller.token
            who = visitor.id if visitor else token and self.reception.service_of(token)
            called = visitor.name if visitor else None
            await self.chronicle.refused(who, self.address, wish, problem, visitorName=called)
            raise

    def _token_of_service(self) -> str | None:
        """The token that must be a service's, though it may be mistyped."""
        token = self.caller.token
        is_none = self.caller.token_is_a_proxys and self.reception.service_of(token or "") is None
        return None if is_none else token

    async def _for_service(
        self, token: str, wish: Wish, idempotency_key: str | None
    ) -> OpenedSession | Waiting:
        if self.reception.service_of(token) is None:
            await self.meter.count_opening()
        return await self.reception.open_for_service(token, wish, idempotency_key)

    async def _for_visitor(
        self, wish: Wish, ticket: str | None, idempotency_key: str | None
    ) -> OpenedSession | Waiting:
        waits_as = None
        if ticket is not None and not self.visitors.are_signed_in:
            known = self.caller.visitor.id if self.caller.visitor else None
            waits_as = await self.reception.comes_as(ticket, idempotency_key, known)
        await self.meter.count(waits_as, idempotency_key)
        if waits_as is not None:
            return await self.reception.open(waits_as, wish, idempotency_key, address=self.address)
        visitor = self.visitors.welcome(self.caller, self.response)
        return await self.reception.open(
            visitor.id, wish, idempotency_key, called=visitor.name, address=self.address
        )

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
    chronicle: ChronicleDep,
) -> Counter:
    return Counter(request, response, caller, visitors, reception, meter, chronicle)


CounterDep = Annotated[Counter, Depends(_counter)]
