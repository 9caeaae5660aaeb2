"""How visitors and services come to a session, or to a place in line for one."""

import asyncio
from dataclasses import replace
from typing import Final

from app.config.settings import Settings
from app.kaltura.contract import CreateRequest
from app.problems import AtCapacity, InvalidRequest, KalturaBusy, TicketNotFound
from app.sessions.access import SERVICE
from app.sessions.capacity.budgets import Budgets
from app.sessions.capacity.manager import CapacityManager, QueuePosition, Requester
from app.sessions.error_mapping import BUSY_SECONDS
from app.sessions.lifecycle.creation import SessionCreator
from app.sessions.lifecycle.options import SessionOptions, create_request
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import IdempotencyRecord

MAX_TICKETS: Final = 1000
"""Tickets that are known after they were used; the oldest are forgotten."""

Opening = asyncio.Task[SessionRuntime | QueuePosition]


class Admission:
    """Opens sessions; raises a `Problem` for what can't be done.

    Each opening takes a place and a share of today's minutes first. The same Idempotency-Key of the
    same owner is answered with the same session, also while that is still being opened.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        registry: SessionRegistry,
        capacity: CapacityManager,
        budgets: Budgets,
        creator: SessionCreator,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._capacity = capacity
        self._budgets = budgets
        self._creator = creator
        self._under_way: set[Opening] = set()
        self._by_key: dict[str, tuple[IdempotencyRecord, Opening]] = {}
        self._used_tickets: dict[str, str] = {}
        """Whose the tickets were."""

    # Opening

    async def open(
        self,
        visitor: str,
        options: SessionOptions,
        idempotency_key: str | None = None,
        *,
        called: str | None = None,
        address: str | None = None,
    ) -> SessionRuntime | QueuePosition:
        """Open a session for a visitor, or give them a place in line.

        `called` is what their login calls them, for the record; `address` is where they call from.
        """
        requester = replace(self._visitor(visitor), called=called, address=address)
        return await self._open_once(requester, options, idempotency_key)

    async def open_now(
        self,
        visitor: str,
        options: SessionOptions,
        *,
        called: str | None = None,
        address: str | None = None,
    ) -> SessionRuntime:
        """Open a session for a visitor who can't wait; raises `AtCapacity` when others must."""
        requester = replace(self._visitor(visitor), may_wait=False, called=called, address=address)
        opened = await self._open_once(requester, options)
        if isinstance(opened, QueuePosition):
            raise AtCapacity
        return opened

    async def open_for_service(
        self, service: str, options: SessionOptions, idempotency_key: str | None = None
    ) -> SessionRuntime | QueuePosition:
        """Open a session for a service, which is the `service` of `Services.owner`.

        A service is many visitors, so each of its keys has a place in line of its own.
        """
        requester = Requester(service, f"{service}:{idempotency_key or ''}")
        return await self._open_once(requester, options, idempotency_key)

    async def is_repeated(self, visitor: str, idempotency_key: str | None) -> bool:
        """Whether opening a session for a visitor would begin nothing.

        They are in line, or it was begun with this key.
        """
        if await self._capacity.has_place(self._visitor(visitor)):
            return True
        if idempotency_key is None:
            return False
        key = IdempotencyRecord.key_of(visitor, idempotency_key)
        return key in self._by_key or await self._opened_by(key) is not None

    @property
    def under_way(self) -> int:
        """How many openings are under way."""
        return len(self._under_way)

    # Waiting in line

    def waits_as(self, ticket_id: str) -> str:
        """Who waits with this ticket, for a visitor without a cookie; see `CapacityManager`.

        A service's ticket does not do: its pages have it too, and they are not the service.
        """
        owner = self._capacity.owner_of(ticket_id)
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
        return await self._capacity.ask(ticket_id, wait_seconds)

    async def leave_line(self, ticket_id: str) -> None:
        """Give up a place in line."""
        await self._capacity.leave(ticket_id)

    # Carrying out

    def _visitor(self, visitor: str) -> Requester:
        return Requester(visitor, visitor, at_most=self._settings.max_sessions_per_visitor)

    async def _open_once(
        self, requester: Requester, options: SessionOptions, idempotency_key: str | None = None
    ) -> SessionRuntime | QueuePosition:
        """Open a session, or join the opening that is under way with the same key.

        It goes on when its caller is cancelled: nobody could end a session that is not known here.
        """
        request = create_request(self._settings, options)
        origin = None
        if idempotency_key is not None:
            origin = IdempotencyRecord.of(requester.owner, idempotency_key, request)
        under_way = self._by_key.get(origin.key) if origin else None
        if under_way is None:
            opening = asyncio.create_task(self._open(requester, request, origin))
            self._under_way.add(opening)
            if origin:
                self._by_key[origin.key] = origin, opening
            opening.add_done_callback(lambda done: self._done(done, origin))
            return await asyncio.shield(opening)
        _require_same(under_way[0], origin)
        return await asyncio.shield(under_way[1])

    def _done(self, opening: Opening, origin: IdempotencyRecord | None) -> None:
        self._under_way.discard(opening)
        if origin is not None:
            del self._by_key[origin.key]
        if not opening.cancelled():
            opening.exception()  # its caller may be gone, and asyncio would warn of it

    async def _open(
        self, requester: Requester, request: CreateRequest, origin: IdempotencyRecord | None
    ) -> SessionRuntime | QueuePosition:
        earlier = await self._opened_by(origin.key) if origin else None
        if earlier is not None:
            _require_same(earlier.session.origin, origin)
            return earlier
        seconds = await self._budgets.seconds_for(requester.owner)
        waiting = await self._capacity.take(requester)
        if waiting is not None:
            return waiting
        try:
            runtime = await self._creator.create(requester, request, origin, seconds)
        except KalturaBusy as busy:
            waiting = await self._capacity.full(requester, busy.retry_after or BUSY_SECONDS)
            if waiting is None:
                raise
            return waiting
        finally:
            self._capacity.release(requester)
        await self._creator.complete(runtime, requester, request)
        return runtime

    async def _opened_by(self, key: str) -> SessionRuntime | None:
        """The session that a request with this key is answered with, if there is one."""
        earlier = await self._registry.opened_by(key)
        if earlier is None:
            return None
        is_lost = earlier.session.ended is not None and not earlier.session.delivered
        return None if is_lost else earlier


def _require_same(earlier: IdempotencyRecord | None, now: IdempotencyRecord | None) -> None:
    if earlier != now:
        raise InvalidRequest("Idempotency-Key: it was used for another wish; take a new one.")
