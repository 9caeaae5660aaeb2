"""How visitors come to a session, wait for one, leave it and come back to it."""

from dataclasses import replace
from typing import Final

from app.problems import AtCapacity, TicketNotFound, Unauthenticated
from app.sessions.access import SERVICE, Services, SessionGrant
from app.sessions.admission.capacity import CapacityManager, QueuePosition, Requester
from app.sessions.clock import SessionClock
from app.sessions.lifecycle.creation import OpenedSession, SessionCreator
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.lifecycle.termination import SessionTerminator, ended
from app.sessions.store.memory import SessionStore
from app.sessions.store.model import AvatarSession, EndReason

LEAVE_SECONDS: Final = 3
"""How long a session outlives its page: enough for a reload, little to pay for."""

MAX_TICKETS: Final = 1000
"""Tickets that are known after they were used; the oldest are forgotten."""


class Admission:
    """Opens sessions for visitors and services; raises a `Problem` for whatever can't be done.

    `at_most` is how many live sessions one visitor may have; services have the bound of all alone.
    """

    def __init__(
        self,
        *,
        at_most: int,
        sessions: SessionStore,
        services: Services,
        creator: SessionCreator,
        terminator: SessionTerminator,
        places: CapacityManager,
        clock: SessionClock,
    ) -> None:
        self._at_most = at_most
        self._sessions = sessions
        self._services = services
        self._creator = creator
        self._terminator = terminator
        self._places = places
        self._clock = clock
        self._used_tickets: dict[str, str] = {}
        """Whose they are."""

    # Opening

    async def open(
        self,
        visitor: str,
        options: SessionOptions,
        idempotency_key: str | None = None,
        *,
        called: str | None = None,
        address: str | None = None,
    ) -> OpenedSession | QueuePosition:
        """Open a session for a visitor, or give them a place in line.

        `called` is what their login calls them, for the record; `address` is where they call from.
        """
        requester = replace(self._visitor(visitor), called=called, address=address)
        return await self._creator.open(requester, options, idempotency_key)

    async def open_now(
        self,
        visitor: str,
        options: SessionOptions,
        *,
        called: str | None = None,
        address: str | None = None,
    ) -> OpenedSession:
        """Open a session for a visitor who can't wait; raises `AtCapacity` when others must."""
        requester = replace(self._visitor(visitor), may_wait=False, called=called, address=address)
        opened = await self._creator.open(requester, options)
        if isinstance(opened, QueuePosition):
            raise AtCapacity
        return opened

    async def is_repeated(self, visitor: str, idempotency_key: str | None) -> bool:
        """Whether opening a session for a visitor would begin nothing; see `SessionCreator`."""
        return await self._creator.is_repeated(self._visitor(visitor), idempotency_key)

    def service_of(self, token: str) -> str | None:
        """As whom the service owns its sessions whose token this is; None when it is none's."""
        return self._services.owner(token)

    async def open_for_service(
        self, token: str, options: SessionOptions, idempotency_key: str | None = None
    ) -> OpenedSession | QueuePosition:
        """Likewise for the service whose token this is; raises `Unauthenticated`.

        A service is many visitors, so each of its keys has a place in line of its own.
        """
        service = self._services.owner(token)
        if service is None:
            raise Unauthenticated
        requester = Requester(service, f"{service}:{idempotency_key or ''}")
        return await self._creator.open(requester, options, idempotency_key)

    async def hand_over(self, opened: OpenedSession, *, hung_up: bool) -> None:
        """The moment in which a session becomes its visitor's; one who hung up gets none.

        They may ask again with the same Idempotency-Key, so it is kept for them for a moment.
        """
        # As it is now: another caller of the same key may have got it meanwhile.
        session = await self._sessions.get(opened.session.session_id) or opened.session
        if not hung_up:
            await self._sessions.update(session.session_id, delivered=True, leaves_at=None)
        elif session.origin is None:
            self._terminator.end_soon(session, EndReason.LEFT)
        elif not session.delivered:
            await self.leave(session)

    # Waiting in line

    def waits_as(self, ticket_id: str) -> str:
        """Who waits with this ticket, for a visitor without a cookie; see `CapacityManager`.

        A service's ticket does not do: its pages have it too, and they are not the service.
        """
        owner = self._places.owner_of(ticket_id)
        if owner.startswith(SERVICE):
            raise TicketNotFound
        return owner

    async def comes_as(
        self, ticket_id: str, idempotency_key: str | None, visitor: str | None
    ) -> str:
        """Who comes with this ticket: who waits with it, or who did and sends the same key again.

        The session they asked for is being opened or open, and its answer may have been lost.
        `visitor` is who calls, where that is known: after a restart only their cookie is left.
        """
        try:
            owner = self.waits_as(ticket_id)
        except TicketNotFound:
            if idempotency_key is not None:
                for each in (self._used_tickets.get(ticket_id), visitor):
                    if each is not None and await self.is_repeated(each, idempotency_key):
                        return each
            raise
        if idempotency_key is not None:
            self._used_tickets.pop(ticket_id, None)
            self._used_tickets[ticket_id] = owner
            if len(self._used_tickets) > MAX_TICKETS:
                del self._used_tickets[next(iter(self._used_tickets))]
        return owner

    async def place(self, ticket_id: str, wait_seconds: float) -> QueuePosition:
        """A place in line, when it changes or after `wait_seconds`; raises `TicketNotFound`."""
        return await self._places.ask(ticket_id, wait_seconds)

    async def leave_line(self, ticket_id: str) -> None:
        """Give up a place in line."""
        await self._places.leave(ticket_id)

    # Coming and going

    async def leave(self, session: AvatarSession) -> None:
        """The page goes away: the session ends in a moment, unless the page comes back."""
        if session.ended is None and session.leaves_at is None:
            leaves_at = self._clock.running() + LEAVE_SECONDS
            await self._sessions.update(session.session_id, leaves_at=leaves_at)

    async def resume(self, grant: SessionGrant) -> OpenedSession:
        """The page is back, and gets what it got from create."""
        if grant.session.ended is not None:
            raise ended(grant.session)
        seen_at = self._clock.running()
        await self._sessions.update(grant.session.session_id, seen_at=seen_at, leaves_at=None)
        return self._creator.opened(grant.session)

    def _visitor(self, visitor: str) -> Requester:
        return Requester(visitor, visitor, at_most=self._at_most)
