"""Passes the calls of a session on to the replica that has it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

from app.problems import OutcomeUnknown, RecordUnavailable, ReplicaUnavailable
from app.replicas.client import (
    ReplicaAnswer,
    ReplicaBrokeOffError,
    ReplicaCall,
    ReplicaClient,
    ReplicaUnreachableError,
)
from app.replicas.forwarded_call import HEADER, ForwardedCall, ForwardedCallHeader
from app.replicas.owners import SessionOwner, SessionOwners
from app.sessions.clock import Clocks
from app.web.middleware.event_relay import EventRelay, EventTooLongError
from app.web.middleware.guards import ANSWERED_BY, REQUEST_ID
from app.web.middleware.proxies import visitor_in
from app.web.middleware.repeatable_body import RepeatableBody
from app.web.middleware.session_routes import is_repeatable
from app.web.visitor.text_stream import EVENT_STREAM

TAKE_OVER_SECONDS: Final = 12.0
"""How long a call waits for an owner: sessions of a dead one are taken over in about 10 s."""

LOOK_SECONDS: Final = 0.25
"""The pause between two look-ups of the owner of a session whose call waits."""

MOVED_SECONDS: Final = 1.0
"""How long an owner still has to answer once its session has moved; a living one does."""

RETRY_AFTER_SECONDS: Final = 2
MOST_REFUSALS: Final = 2
"""How often an owner may say that it has no such session; it may be about to take it over."""

_HOP_BY_HOP: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer"),
        *(b"transfer-encoding", b"upgrade"),
    }
)
"""Headers of one connection (RFC 9110, 7.6.1)."""

_SET_ANEW: Final = frozenset({REQUEST_ID.lower().encode(), b"content-length", b"expect"})
_SET_BY_SERVER: Final = frozenset({HEADER, b"date", b"server"})
_VARIES_ANYWAY: Final = frozenset({"origin", "sec-fetch-site"})
"""Names that middleware outside of this one adds to `Vary`, here as at the owner."""


class ForwardOutcome(StrEnum):
    """The outcome of one attempt to forward a call."""

    ANSWERED = "answered"
    NOT_OWNER = "not-owner"
    UNREACHABLE = "unreachable"
    BROKE_OFF = "broke-off"
    MOVED = "moved"


_MAYBE_DONE: Final = frozenset({ForwardOutcome.BROKE_OFF, ForwardOutcome.MOVED})
"""The outcomes of attempts that may have been carried out."""


class NoOtherOwner(Exception):  # noqa: N818 - it is a way for the call to go, not an error
    """No other replica has the session, so that this one answers for it."""


@dataclass
class Forwarding:
    """One call that is passed on."""

    scope: Scope
    session_id: str
    body: RepeatableBody
    whole_body: bytes | None
    """The body; None where there is none, and for one that is still being written."""

    events: EventRelay = field(default_factory=EventRelay)
    has_begun: bool = False
    """Whether the client has got the head of the answer."""
    asked_at: float = 0.0
    answered_at: float | None = None
    """When the head of the latest answer came, by the monotonic clock."""
    limit: asyncio.Timeout | None = None
    """When the attempt under way is given up; None once its answer has come whole."""

    def break_off_soon(self) -> None:
        """Give the attempt under way up, unless its answer comes in `MOVED_SECONDS`."""
        if self.limit is not None and self.limit.when() is None:
            self.limit.reschedule(asyncio.get_running_loop().time() + MOVED_SECONDS)

    def take_time(self) -> None:
        """Let the client take its time to read the answer, which has come whole."""
        if self.limit is not None:
            self.limit.reschedule(None)
            self.limit = None

    @property
    def is_here(self) -> bool:
        """Whether this process has the session in memory by now."""
        has: bool = self.scope["state"]["registry"].has(self.session_id)
        return has

    def seconds_to_answer(self, now: float) -> float:
        """How long the latest answer took to begin, or for how long there was none."""
        return (now if self.answered_at is None else self.answered_at) - self.asked_at


class Forwarder:
    """Passes calls on to the owners of their sessions.

    `own_name` tells how replicas call this process; `count` is told the outcome of each attempt and
    the seconds until the head of its answer.
    """

    def __init__(
        self,
        *,
        client: ReplicaClient,
        owners: SessionOwners,
        header: ForwardedCallHeader,
        own_name: Callable[[], str],
        clocks: Clocks,
        count: Callable[[ForwardOutcome, float], None],
    ) -> None:
        self._client = client
        self.owners = owners
        self.header = header
        self.own_name = own_name
        self._clocks = clocks
        self._count = count

    async def owner_of(self, session_id: str) -> SessionOwner | None:
        """The replica that has a session which is not in memory here; None when no other has it.

        It may be this one, which then is giving the session up or taking it over just now. Raises
        `ReplicaUnavailable` when the database can't be read.
        """
        try:
            owner = await self.owners.find(session_id)
        except RecordUnavailable:
            raise ReplicaUnavailable(
                "It can't be looked up now which process has the session.",
                retry_after=RETRY_AFTER_SECONDS,
            ) from None
        return self._unless_here(owner)

    def _unless_here(self, owner: SessionOwner | None) -> SessionOwner | None:
        if owner is None or owner.holder != self.own_name():
            return owner
        return replace(owner, url=None) if owner.is_open else None

    async def forward(self, forwarding: Forwarding, owner: SessionOwner, send: Send) -> None:
        """Forward a call to `owner`, or to the next owner of the session, and send the answer.

        Raises `NoOtherOwner`, `ReplicaUnavailable` or `OutcomeUnknown` before the answer has begun.
        """
        until, refusals = self._clocks.monotonic() + TAKE_OVER_SECONDS, 0
        while True:
            outcome = await self._attempt(forwarding, owner, send)
            if outcome is ForwardOutcome.ANSWERED:
                return
            if outcome in _MAYBE_DONE and not is_repeatable(forwarding.scope):
                raise OutcomeUnknown
            if outcome is ForwardOutcome.MOVED or (
                outcome is ForwardOutcome.BROKE_OFF and forwarding.has_begun
            ):
                until = self._clocks.monotonic() + TAKE_OVER_SECONDS
            refusals += outcome is ForwardOutcome.NOT_OWNER
            is_late = self._clocks.monotonic() >= until or refusals == MOST_REFUSALS
            if is_late or not forwarding.body.is_repeatable:
                raise ReplicaUnavailable(retry_after=RETRY_AFTER_SECONDS)
            await self._clocks.sleep(LOOK_SECONDS)
            owner = await self._look_again(forwarding, owner)

    async def _look_again(self, forwarding: Forwarding, before: SessionOwner) -> SessionOwner:
        """The present owner; raises `NoOtherOwner`."""
        try:
            found = await self.owners.find_anew(forwarding.session_id)
        except RecordUnavailable:
            return before
        owner = self._unless_here(found)
        if owner is None or forwarding.is_here:
            raise NoOtherOwner
        return owner

    async def _attempt(
        self, forwarding: Forwarding, owner: SessionOwner, send: Send
    ) -> ForwardOutcome:
        """Ask one replica, and count the outcome."""
        forwarding.asked_at = self._clocks.monotonic()
        forwarding.answered_at = None
        try:
            outcome = await self._ask_while_owner(forwarding, owner, send)
        except ReplicaUnreachableError:
            outcome = ForwardOutcome.UNREACHABLE
        except ReplicaBrokeOffError:
            outcome = ForwardOutcome.BROKE_OFF
        self._count(outcome, forwarding.seconds_to_answer(self._clocks.monotonic()))
        return outcome

    async def _ask_while_owner(
        self, forwarding: Forwarding, owner: SessionOwner, send: Send
    ) -> ForwardOutcome:
        """Ask one replica, and break off when it does not answer although its session has moved."""
        break_off = forwarding.break_off_soon
        try:
            async with asyncio.timeout(None) as forwarding.limit:
                with self.owners.watched(forwarding.session_id, owner, break_off):
                    return await self._ask(forwarding, owner, send)
        except TimeoutError:
            return ForwardOutcome.MOVED

    async def _ask(self, forwarding: Forwarding, owner: SessionOwner, send: Send) -> ForwardOutcome:
        if owner.url is None:
            raise ReplicaUnreachableError("no living replica has it")
        async with self._client.send(self._call(forwarding, owner.holder, owner.url)) as answer:
            if not any(name.lower() == HEADER for name, _ in answer.headers):
                # Something else has answered, such as a gateway between the two.
                raise ReplicaBrokeOffError(f"no replica answered {answer.status}")
            if answer.status == HTTPStatus.MISDIRECTED_REQUEST:
                return ForwardOutcome.NOT_OWNER
            forwarding.answered_at = self._clocks.monotonic()
            if answer.content_type == EVENT_STREAM:
                await _send_events(forwarding, answer, owner.holder, send)
            elif forwarding.has_begun:
                await send(END)  # the reader gets this answer when it asks again
            else:
                await _send_whole(forwarding, answer, owner.holder, send)
        return ForwardOutcome.ANSWERED

    def _call(self, forwarding: Forwarding, target: str, url: str) -> ReplicaCall:
        scope, body = forwarding.scope, forwarding.whole_body
        client = scope.get("client")
        visitor = visitor_in(scope)
        told = ForwardedCall(
            client=client and (client[0], client[1]),
            scheme=scope["scheme"],
            visitor=None if visitor is None else (visitor.id, visitor.name),
        )
        address = address_of_call(scope)
        request = request_line(scope)
        headers = [
            *_end_to_end(scope["headers"], _SET_ANEW),
            (REQUEST_ID.encode(), scope["state"]["request_id"].encode()),
            (HEADER, self.header.sign(told, target=target, request=request)),
        ]
        if forwarding.events.last_id is not None:
            headers = [one for one in headers if one[0] != b"last-event-id"]
            headers.append((b"last-event-id", forwarding.events.last_id))
        is_streamed = body is None and scope["method"] == "POST"
        if body is not None:
            headers.append((b"content-length", str(len(body)).encode()))
        return ReplicaCall(
            scope["method"],
            url + address,
            headers,
            _pieces(body) if body else forwarding.body.chunks() if is_streamed else None,
            is_streamed,
        )


END: Final[Message] = {"type": "http.response.body", "body": b"", "more_body": False}
_PIECE_BYTES: Final = 64 * 1024


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]


async def _send_whole(
    forwarding: Forwarding, answer: ReplicaAnswer, replica: str, send: Send
) -> None:
    """Send an answer that has come whole, so that one that breaks off has not begun."""
    body = await answer.read()
    forwarding.take_time()
    forwarding.scope["state"][ANSWERED_BY] = replica
    await send(_start(answer))
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _send_events(
    forwarding: Forwarding, answer: ReplicaAnswer, replica: str, send: Send
) -> None:
    """Send the events of an answer as they come."""
    forwarding.scope["state"][ANSWERED_BY] = replica
    if not forwarding.has_begun:
        await send(_start(answer))
        forwarding.has_begun = True
    forwarding.events.begin_again()
    with contextlib.suppress(EventTooLongError):
        async for chunk in answer.chunks():
            if events := forwarding.events.whole_events(chunk):
                await send({"type": "http.response.body", "body": events, "more_body": True})
    await send(END)


def _start(answer: ReplicaAnswer) -> Message:
    """The head of an answer, without what this replica's server and middleware add themselves."""
    lower = [(name.lower(), value) for name, value in answer.headers]
    message: Message = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": _end_to_end(lower, _SET_BY_SERVER),
    }
    headers = MutableHeaders(scope=message)
    varies = [name.strip() for name in ",".join(headers.getlist("Vary")).split(",")]
    del headers["Vary"]
    if varies := [name for name in varies if name and name.lower() not in _VARIES_ANYWAY]:
        headers["Vary"] = ", ".join(varies)
    return message


def _end_to_end(
    headers: "list[tuple[bytes, bytes]]", besides: frozenset[bytes]
) -> "list[tuple[bytes, bytes]]":
    """The headers that are not of one connection, and not among those `besides`."""
    named = {
        name.strip().lower()
        for header, value in headers
        if header == b"connection"
        for name in value.split(b",")
    }
    return [one for one in headers if one[0] not in _HOP_BY_HOP | besides | named]


def address_of_call(scope: Scope) -> str:
    """The path and the query of a request, as they came."""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def request_line(scope: Scope) -> bytes:
    """The method and the address of a request, for which a signature holds."""
    return f"{scope['method']} {address_of_call(scope)}".encode("latin-1")
