"""Requests for sessions: the caller's identity and limits, and the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from app.problems import Problem, Unauthenticated
from app.sessions.access import Caller
from app.sessions.admission import Admission, Opened
from app.sessions.auditing import SessionAuditor
from app.sessions.capacity.manager import QueuePosition
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.lifecycle.presence import SessionPresence
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession
from app.sessions.tokens import OpenedSession
from app.web.deps import AdmissionDep, AuditorDep, CallerDep, PresenceDep, VisitorAuthenticatorDep
from app.web.rate_limiter import address_of
from app.web.visitor.identification import VisitorAuthenticator
from app.web.visitor.rate_limits import CreateRateLimiter, CreateRateLimiterDep


@dataclass(frozen=True)
class SessionRequest:
    """One caller's request for a session."""

    request: Request
    response: Response
    caller: Caller
    authenticator: VisitorAuthenticator
    admission: Admission
    presence: SessionPresence
    limiter: CreateRateLimiter
    auditor: SessionAuditor

    @property
    def visitor_id(self) -> str | None:
        """The id of the visitor who calls; None for a new one and for a service."""
        return self.caller.visitor.id if self.caller.visitor else None

    @property
    def address(self) -> str:
        """The network address that they call from."""
        return address_of(self.request.scope)

    async def open(
        self, options: SessionOptions, ticket: str | None, idempotency_key: str | None
    ) -> OpenedSession | QueuePosition:
        """A session for this visitor or service, or a place in line."""
        async with self._refusals_on_record(options):
            if self.caller.service is not None:
                opened = await self.admission.open_for_service(
                    self.caller.service, options, idempotency_key
                )
            elif self.caller.token is not None and not self.caller.token_is_from_proxy:
                await self.limiter.count_opening(self.visitor_id)
                raise Unauthenticated  # it may be a service's token, mistyped
            else:
                opened = await self._for_visitor(options, ticket, idempotency_key)
        return opened if isinstance(opened, QueuePosition) else await self._hand_over(opened)

    async def open_now(self, options: SessionOptions) -> OpenedSession:
        """A session for a visitor who can't wait in line."""
        async with self._refusals_on_record(options):
            await self.limiter.count_opening(self.visitor_id)
            visitor = self.authenticator.welcome(self.caller, self.request, self.response)
            opened = await self.admission.open_now(
                visitor.id, options, display_name=visitor.name, address=self.address
            )
        return await self._hand_over(opened)

    @asynccontextmanager
    async def _refusals_on_record(self, options: SessionOptions) -> AsyncIterator[None]:
        try:
            yield
        except Problem as problem:
            who = self.visitor_id or self.caller.service
            called = self.caller.visitor.name if self.caller.visitor else None
            await self.auditor.refused(who, self.address, options, problem, visitorName=called)
            raise

    async def _for_visitor(
        self, options: SessionOptions, ticket: str | None, idempotency_key: str | None
    ) -> Opened:
        known = self.authenticator.known(self.caller, self.request, idempotency_key)
        known_id = known.id if known else None
        if ticket is not None and not self.authenticator.requires_sign_in:
            # A ticket is one of a request that was counted.
            owner = await self.admission.ticket_owner_for_create(ticket, idempotency_key, known_id)
            return await self.admission.open(
                owner,
                options,
                idempotency_key,
                address=self.address,
                ticket=None if owner == known_id else ticket,
            )
        await self.limiter.count(known_id, idempotency_key)
        visitor = self.authenticator.welcome(
            self.caller, self.request, self.response, idempotency_key
        )
        return await self.admission.open(
            visitor.id, options, idempotency_key, display_name=visitor.name, address=self.address
        )

    async def _hand_over(self, opened: SessionRuntime | AvatarSession) -> OpenedSession:
        if isinstance(opened, AvatarSession):
            return self.presence.opened_elsewhere(opened)
        hung_up = await self.request.is_disconnected()
        return await self.presence.hand_over(opened, hung_up=hung_up)


async def _session_request(
    request: Request,
    response: Response,
    caller: CallerDep,
    authenticator: VisitorAuthenticatorDep,
    admission: AdmissionDep,
    presence: PresenceDep,
    limiter: CreateRateLimiterDep,
    auditor: AuditorDep,
) -> SessionRequest:
    return SessionRequest(
        request, response, caller, authenticator, admission, presence, limiter, auditor
    )


SessionRequestDep = Annotated[SessionRequest, Depends(_session_request)]
