"""Requests for sessions: the caller's identity and limits, and the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from app.problems import Problem
from app.sessions.access import Caller
from app.sessions.admission.admission import Admission
from app.sessions.admission.capacity import QueuePosition
from app.sessions.auditing import SessionAuditor
from app.sessions.lifecycle.creation import OpenedSession
from app.sessions.lifecycle.options import SessionOptions
from app.web.deps import AdmissionDep, AuditorDep, CallerDep, VisitorsDep
from app.web.rate_limiter import address_of
from app.web.visitor.identification import Visitors
from app.web.visitor.rate_limits import CreateMeter, CreateMeterDep


@dataclass(frozen=True)
class SessionRequest:
    """One caller's request for a session."""

    request: Request
    response: Response
    caller: Caller
    visitors: Visitors
    admission: Admission
    meter: CreateMeter
    auditor: SessionAuditor

    @property
    def address(self) -> str:
        """The network address that they call from."""
        return address_of(self.request.scope)

    async def open(
        self, options: SessionOptions, ticket: str | None, idempotency_key: str | None
    ) -> OpenedSession | QueuePosition:
        """A session for this visitor or service, or a place in line."""
        async with self._refusals_on_record(options):
            token = self._token_of_service()
            if token is not None:
                opened = await self._for_service(token, options, idempotency_key)
            else:
                opened = await self._for_visitor(options, ticket, idempotency_key)
        if isinstance(opened, OpenedSession):
            await self._hand_over(opened)
        return opened

    async def open_now(self, options: SessionOptions) -> OpenedSession:
        """A session for a visitor who can't wait in line."""
        async with self._refusals_on_record(options):
            await self.meter.count_opening()
            visitor = self.visitors.welcome(self.caller, self.response)
            opened = await self.admission.open_now(
                visitor.id, options, called=visitor.name, address=self.address
            )
        await self._hand_over(opened)
        return opened

    @asynccontextmanager
    async def _refusals_on_record(self, options: SessionOptions) -> AsyncIterator[None]:
        try:
            yield
        except Problem as problem:
            visitor = self.caller.visitor
            token = self.caller.token
            who = visitor.id if visitor else token and self.admission.service_of(token)
            called = visitor.name if visitor else None
            await self.auditor.refused(who, self.address, options, problem, visitorName=called)
            raise

    def _token_of_service(self) -> str | None:
        """The token of the request if it can only be a service's, though perhaps a wrong one."""
        token = self.caller.token
        is_none = self.caller.token_is_a_proxys and self.admission.service_of(token or "") is None
        return None if is_none else token

    async def _for_service(
        self, token: str, options: SessionOptions, idempotency_key: str | None
    ) -> OpenedSession | QueuePosition:
        if self.admission.service_of(token) is None:
            await self.meter.count_opening()
        return await self.admission.open_for_service(token, options, idempotency_key)

    async def _for_visitor(
        self, options: SessionOptions, ticket: str | None, idempotency_key: str | None
    ) -> OpenedSession | QueuePosition:
        waits_as = None
        if ticket is not None and not self.visitors.are_signed_in:
            known = self.caller.visitor.id if self.caller.visitor else None
            waits_as = await self.admission.comes_as(ticket, idempotency_key, known)
        await self.meter.count(waits_as, idempotency_key)
        if waits_as is not None:
            return await self.admission.open(
                waits_as, options, idempotency_key, address=self.address
            )
        visitor = self.visitors.welcome(self.caller, self.response)
        return await self.admission.open(
            visitor.id, options, idempotency_key, called=visitor.name, address=self.address
        )

    async def _hand_over(self, opened: OpenedSession) -> None:
        hung_up = await self.request.is_disconnected()
        await self.admission.hand_over(opened, hung_up=hung_up)


async def _counter(
    request: Request,
    response: Response,
    caller: CallerDep,
    visitors: VisitorsDep,
    admission: AdmissionDep,
    meter: CreateMeterDep,
    auditor: AuditorDep,
) -> SessionRequest:
    return SessionRequest(request, response, caller, visitors, admission, meter, auditor)


SessionRequestDep = Annotated[SessionRequest, Depends(_counter)]
