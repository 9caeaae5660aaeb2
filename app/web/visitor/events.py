"""A session's life as server-sent events: what is said, and how long it lasts.

To follow a session is no sign of life: a page that sleeps keeps its connection. Each follower
costs a connection, so there are bounds, and no more: what happened is kept once for all. The last
event has an id: an EventSource asks again after the end, and stops when it is answered 204.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.sse import ServerSentEvent

from app.problems import RateLimited, SessionNotFound, SignInUnavailable, Unauthenticated
from app.sessions.access import SessionGrant
from app.sessions.clock import SessionClock
from app.sessions.service import SessionService
from app.web.bounds import WebBounds
from app.web.deps import BoundsDep, ClockDep, OwnSession, SessionServiceDep
from app.web.docs.openapi import operation_id, problems
from app.web.stream_limit import EventStream, OpenStream, StreamLimit
from app.web.visitor.schemas import SessionState, UtteranceReceipt

RECONNECT_MS: Final = 2000

MAX_FOLLOWERS: Final = 500
"""Of all sessions; half of the connections that the process takes."""

MAX_FOLLOWERS_PER_SESSION: Final = 4

END_ID: Final = "end"
"""The id of a session's last event."""

router = APIRouter(prefix="/api", tags=["Visitor"], generate_unique_id_function=operation_id)


async def _followed(request: Request, grant: OwnSession) -> AsyncIterator[OpenStream]:
    followers: StreamLimit = request.state.followers
    with followers.one_more(grant.session.session_id) as stream:
        yield stream


@router.get(
    "/avatar-sessions/{sessionId}/events",
    status_code=200,
    response_class=EventStream,
    responses=problems(Unauthenticated, SignInUnavailable, SessionNotFound, RateLimited)
    | {204: {"description": "The session is over, and its last event was sent"}},
)
async def events(
    grant: OwnSession,
    stream: Annotated[OpenStream, Depends(_followed)],
    broker: SessionServiceDep,
    clock: ClockDep,
    bounds: BoundsDep,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Follow a session: `utterance` events as at `/utterances`, `session` events as its state.

    It begins with what there is, or behind `Last-Event-ID`, and ends with the session. When more
    follow one session than may, the first of them is ended.
    """
    if grant.session.ended is not None and last_event_id == END_ID:
        return Response(status_code=204)
    return EventStream(follow(grant, broker, clock, bounds, last_event_id), stream)


async def follow(
    grant: SessionGrant,
    broker: SessionService,
    clock: SessionClock,
    bounds: WebBounds,
    last_id: str | None,
) -> AsyncIterator[ServerSentEvent]:
    """The events of a session from `last_id` on, until it ends."""
    feed = broker.feed(grant)
    yield await _session(grant, broker, clock, retry=RECONNECT_MS)
    while True:
        news = feed.since(last_id)
        for event in news:
            last_id = event.id
            receipt = UtteranceReceipt.of(event.receipt)
            yield ServerSentEvent(event="utterance", id=event.id, data=receipt)
        if news:
            continue
        if feed.over:
            yield await _session(grant, broker, clock, event_id=END_ID)
            return
        try:
            async with asyncio.timeout(bounds.session_events_seconds):
                await feed.news()
        except TimeoutError:
            if not feed.over:
                yield await _session(grant, broker, clock)


async def _session(
    grant: SessionGrant,
    broker: SessionService,
    clock: SessionClock,
    *,
    retry: int | None = None,
    event_id: str | None = None,
) -> ServerSentEvent:
    session = await broker.now(grant)
    left = await broker.seconds_left(session)
    state = SessionState.of(session, clock=clock, seconds_left=left)
    return ServerSentEvent(event="session", id=event_id, data=state, retry=retry)
