"""Opens sessions for visitors and services, or gives them a place in line."""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import Final

from app.kaltura.contract import CreateRequest
from app.problems import AtCapacity, InvalidRequest, KalturaBusy, KalturaTimeout, TicketNotFound
from app.sessions.access import SERVICE
from app.sessions.capacity.budgets import Budgets
from app.sessions.capacity.manager import CapacityManager, QueuePosition
from app.sessions.capacity.state import Requester
from app.sessions.catalog.catalog import Catalog
from app.sessions.error_mapping import BUSY_SECONDS
from app.sessions.lifecycle.creation import SessionCreator
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession, IdempotencyRecord

TICKET: Final = "ticket:"
"""Prefix of the name by which a request is known whose caller has nothing but a ticket."""

LOOK_AGAIN_SECONDS: Final = 0.2
"""Seconds between two checks whether another process has opened the requested session."""

MAX_LOOKS: Final = 600
"""The most checks; by then the other process has opened a session, or has died."""

Opened = SessionRuntime | AvatarSession | QueuePosition
"""The result of a request: a session here, one of another process, or a place in line."""


@dataclass(frozen=True)
class _Opening:
    """A session that is being opened for an owner, at a request with an Idempotency-Key."""

    owner: str
    origin: IdempotencyRecord
    task: asyncio.Task[Opened]


class Admission:
    """Opens sessions within capacity and budgets; raises a `Problem` when that can't be done.

    Before a session is opened, a place and a share of today's minutes are taken for it. A repeated
    Idempotency-Key of one owner is answered with the session of the first request, also while that
    session is still being opened.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        registry: SessionRegistry,
        capacity: CapacityManager,
        budgets: Budgets,
        creator: SessionCreator,
        address_key: bytes,
    ) -> None:
        self._address_key = address_key
        self._catalog = catalog
        self._registry = registry
        self._capacity = capacity
        self._budgets = budgets
        self._creator = creator
        self._under_way: set[asyncio.Task[Opened]] = set()
        self._by_key: dict[str, _Opening] = {}

    # Opening

    async def open(
        self,
        visitor: str,
        options: SessionOptions,
        idempotency_key: str | None = None,
        *,
        display_name: str | None = None,
        address: str | None = None,
        ticket: str | None = None,
    ) -> Opened:
        """Open a session for a visitor, or give the visitor a place in line.

        `display_name` is the visitor's name at the login, for the audit record. `address` is the
        visitor's network address. `ticket` is given where the visitor is known by nothing else, so
        that a repeated request is recognised by it when it is in line no more.
        """
        requester = replace(
            self._capacity.visitor(visitor),
            display_name=display_name,
            address=self._digest(address),
        )
        asked_by = visitor if ticket is None else TICKET + ticket
        return await self._open_once(requester, options, idempotency_key, asked_by)

    async def open_now(
        self,
        visitor: str,
        options: SessionOptions,
        *,
        display_name: str | None = None,
        address: str | None = None,
    ) -> SessionRuntime:
        """Open a session for a visitor who can't wait; raises `AtCapacity` without a free place."""
        requester = replace(
            self._capacity.visitor(visitor),
            may_wait=False,
            display_name=display_name,
            address=self._digest(address),
        )
        opened = await self._open_once(requester, options)
        if not isinstance(opened, SessionRuntime):
            raise AtCapacity
        return opened

    async def open_for_service(
        self, service: str, options: SessionOptions, idempotency_key: str | None = None
    ) -> Opened:
        """Open a session for a service, named by the owner name that `ServiceTokens.owner` gives.

        A service acts for many visitors, so each of its Idempotency-Keys has its own place in line.
        """
        requester = Requester(service, IdempotencyRecord.key_of(service, idempotency_key or ""))
        return await self._open_once(requester, options, idempotency_key)

    async def is_repeated(self, visitor: str, idempotency_key: str | None) -> bool:
        """Whether a request to open a session would start nothing new.

        True when the visitor already waits in line, or when a request with this key was made
        before.
        """
        if await self._capacity.has_place(self._capacity.visitor(visitor)):
            return True
        if idempotency_key is None:
            return False
        return await self._requested_for(visitor, idempotency_key) is not None

    @property
    def under_way(self) -> int:
        """The number of sessions that are being opened."""
        return len(self._under_way)

    # Waiting in line

    async def ticket_owner(self, ticket_id: str) -> str:
        """The owner of a ticket, as whom a visitor without a cookie waits; raises `TicketNotFound`.

        A ticket of a service is not accepted: the service's pages know the ticket too, but must not
        act as the service.
        """
        owner = await self._capacity.owner_of(ticket_id)
        if owner.startswith(SERVICE):
            raise TicketNotFound
        return owner

    async def ticket_owner_for_create(
        self, ticket_id: str, idempotency_key: str | None, visitor: str | None
    ) -> str:
        """The owner of a ticket that is presented to open a session; raises `TicketNotFound`.

        A ticket that was used already is accepted with the Idempotency-Key of that first request,
        whose answer may have been lost. `visitor` is the caller, where known.
        """
        try:
            return await self.ticket_owner(ticket_id)
        except TicketNotFound:
            if idempotency_key is None:
                raise
            if visitor is not None and await self.is_repeated(visitor, idempotency_key):
                return visitor
            owner = await self._requested_for(TICKET + ticket_id, idempotency_key)
            if owner is None:
                raise
            return owner

    async def place(self, ticket_id: str, wait_seconds: float) -> QueuePosition:
        """Wait until a position in line changes, or `wait_seconds`; raises `TicketNotFound`."""
        return await self._capacity.wait_for_change(ticket_id, wait_seconds)

    def stop(self) -> None:
        """Answer those who wait at once, because the process stops."""
        self._capacity.stop()

    async def leave_line(self, ticket_id: str) -> None:
        """Remove a ticket from the line."""
        await self._capacity.leave(ticket_id)

    # Opening, internally

    def _digest(self, address: str | None) -> str | None:
        """The keyed digest that stands for a network address in the database."""
        if address is None:
            return None
        return hmac.new(self._address_key, address.encode(), hashlib.sha256).hexdigest()[:32]

    async def _open_once(
        self,
        requester: Requester,
        options: SessionOptions,
        idempotency_key: str | None = None,
        asked_by: str | None = None,
    ) -> Opened:
        """Open a session, or join the opening that is under way with the same key of `asked_by`.

        The opening continues when its caller is cancelled: otherwise Kaltura might open a session
        that the broker does not know and can't end.
        """
        request = await self._catalog.create_request(options)
        origin = None
        if idempotency_key is not None:
            origin = IdempotencyRecord.of(asked_by or requester.owner, idempotency_key, request)
            requester = replace(requester, origin_key=origin.key)
        under_way = self._by_key.get(origin.key) if origin else None
        if under_way is None:
            opening = asyncio.create_task(self._open(requester, request, origin))
            self._under_way.add(opening)
            if origin:
                self._by_key[origin.key] = _Opening(requester.owner, origin, opening)
            opening.add_done_callback(lambda done: self._done(done, origin))
            return await asyncio.shield(opening)
        _require_same(under_way.origin, origin)
        return await asyncio.shield(under_way.task)

    def _done(self, opening: asyncio.Task[Opened], origin: IdempotencyRecord | None) -> None:
        self._under_way.discard(opening)
        if origin is not None:
            del self._by_key[origin.key]
        if not opening.cancelled():
            opening.exception()  # retrieved here, since the caller may be gone

    async def _open(
        self, requester: Requester, request: CreateRequest, origin: IdempotencyRecord | None
    ) -> Opened:
        for _ in range(MAX_LOOKS):
            earlier = await self._opened_by(origin.key) if origin else None
            if earlier is not None:
                session = earlier.session if isinstance(earlier, SessionRuntime) else earlier
                _require_same(session.origin, origin)
                return earlier
            seconds = await self._budgets.seconds_for(requester.owner)
            taken = await self._capacity.take(requester)
            if taken is not None:
                break
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        else:
            raise KalturaTimeout
        if isinstance(taken, QueuePosition):
            return taken
        try:
            runtime = await self._creator.create(taken, request, origin, seconds)
        except KalturaBusy as busy:
            waiting = await self._capacity.kaltura_full(requester, busy.retry_after or BUSY_SECONDS)
            if waiting is None:
                raise
            return waiting
        await self._creator.complete(runtime, requester, request)
        return runtime

    async def _requested_for(self, asked_by: str, idempotency_key: str) -> str | None:
        """The owner for whom a session is or was opened at this request; None when it is new."""
        key = IdempotencyRecord.key_of(asked_by, idempotency_key)
        if (under_way := self._by_key.get(key)) is not None:
            return under_way.owner
        if (earlier := await self._registry.opened_by(key)) is not None:
            return None if _is_lost(earlier) else earlier.session.owner
        return await self._registry.owner_elsewhere(key)

    async def _opened_by(self, key: str) -> SessionRuntime | AvatarSession | None:
        """The session that an earlier request with this key opened, unless its answer was lost."""
        earlier = await self._registry.opened_by(key)
        if earlier is None:
            return await self._registry.opened_elsewhere(key)
        return None if _is_lost(earlier) else earlier


def _is_lost(opened: SessionRuntime) -> bool:
    """Whether a session ended before its visitor got it."""
    return opened.session.ended is not None and not opened.session.delivered


def _require_same(earlier: IdempotencyRecord | None, now: IdempotencyRecord | None) -> None:
    if earlier != now:
        raise InvalidRequest("Idempotency-Key: it was used for another wish; take a new one.")
