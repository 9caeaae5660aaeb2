"""A session's life as server-sent events: what is said, and how long it lasts.

To follow a session is no sign of life: a page that sleeps keeps its connection. Each follower
costs a connection, so there are bounds, and no more: what happened is kept once for all.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.connections import ENDLESS
from app.problems import RateLimited, SessionNotFound, SignInUnavailable, Unauthenticated
from app.sessions.broker import SessionBroker
from app.sessions.clock import SessionClock
from app.sessions.ownership import Held
from app.web.deps import BrokerDep, ClockDep, OwnSession
from app.web.followers import Followers
from app.web.openapi import operation_id, problems
from app.web.shapes import SessionState, UtteranceReceipt

EVERY_SECONDS: Final = 15.0
"""How often the time left is told; also what keeps proxies from closing the connection."""

RECONNECT_MS: Final = 2000

router = APIRouter(prefix="/api", tags=["Visitor"], generate_unique_id_function=operation_id)


async def _followed(request: Request, held: OwnSession) -> AsyncIterator[Held]:
    followers: Followers = request.state.followers
    session_id = held.session.session_id
    followers.add(session_id)
    try:
        request.scope[ENDLESS] = True
        yield held
    finally:
        followers.remove(session_id)


@router.get(
    "/avatar-sessions/{sessionId}/events",
    response_class=EventSourceResponse,
    responses=problems(Unauthenticated, SignInUnavailable, SessionNotFound, RateLimited),
)
async def events(
    held: Annotated[Held, Depends(_followed)],
    broker: BrokerDep,
    clock: ClockDep,
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Follow a session: `utterance` events as at `/utterances`, `session` events as its state.

    It begins with what there is, or behind `Last-Event-ID`, and ends with the session.
    """
    async for event in follow(held, broker, clock, last_event_id):
        yield event


async def follow(
    held: Held, broker: SessionBroker, clock: SessionClock, last_id: str | None
) -> AsyncIterator[ServerSentEvent]:
    """The events of a session from `last_id` on, until it ends."""
    bulletin = broker.bulletin(held)
    yield await _session(held, broker, clock, retry=RECONNECT_MS)
    while True:
        news = bulletin.since(last_id)
        for event in news:
            last_id = event.id
            receipt = UtteranceReceipt.of(event.receipt)
            yield ServerSentEvent(event="utterance", id=event.id, data=receipt)
        if news:
            continue
        if bulletin.over:
            yield await _session(held, broker, clock)
            return
        try:
            async with asyncio.timeout(EVERY_SECONDS):
                await bulletin.news()
        except TimeoutError:
            if not bulletin.over:
                yield await _session(held, broker, clock)


async def _session(
    held: Held, broker: SessionBroker, clock: SessionClock, retry: int | None = None
) -> ServerSentEvent:
    session = await broker.now(held)
    left = await broker.seconds_left(session)
    state = SessionState.of(session, clock=clock, seconds_left=left)
    return ServerSentEvent(event="session", data=state, retry=retry)
