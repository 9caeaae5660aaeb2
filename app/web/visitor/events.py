"""A session as server-sent events: its utterances and its state.

Following a session does not keep it alive: a page that sleeps keeps its connection. Followers are
bounded, since each holds a connection. The last event has an id: an EventSource connects again
after the end, sends it, and stops when it is answered 204.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Response
from fastapi.sse import ServerSentEvent

from app.problems import (
    InvalidRequest,
    RateLimited,
    ReplicaUnavailable,
    SessionNotFound,
    SignInUnavailable,
    Unauthenticated,
)
from app.sessions.access import SessionGrant
from app.sessions.speech.feed import UtteranceFeed
from app.web.bounds import WebBounds
from app.web.deps import BoundsDep, FollowersDep, OwnSession, SpeechServiceDep
from app.web.docs.openapi import operation_id, problems
from app.web.stream_limit import EventStream, OpenStream
from app.web.visitor.schemas import SessionEvent, UtteranceReceipt
from app.web.visitor.state_reader import StateReader, StateReaderDep

RECONNECT_MS: Final = 2000

MAX_FOLLOWERS: Final = 500
"""The most followers of all sessions: half of the connections that the process takes."""

MAX_FOLLOWERS_PER_SESSION: Final = 4

END_ID: Final = "end"
"""The id of a session's last event."""

router = APIRouter(prefix="/api", tags=["Visitor"], generate_unique_id_function=operation_id)


async def _followed(followers: FollowersDep, grant: OwnSession) -> AsyncIterator[OpenStream]:
    with followers.one_more(grant.session.session_id) as stream:
        yield stream


@router.get(
    "/avatar-sessions/{sessionId}/events",
    status_code=200,
    response_class=EventStream,
    responses=problems(
        *(InvalidRequest, Unauthenticated, SignInUnavailable, SessionNotFound),
        *(ReplicaUnavailable, RateLimited),
    )
    | {
        200: {"model": SessionEvent},
        204: {"description": "The session is over, and its last event was sent"},
    },
)
async def events(
    grant: OwnSession,
    stream: Annotated[OpenStream, Depends(_followed)],
    speech: SpeechServiceDep,
    states: StateReaderDep,
    bounds: BoundsDep,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Follow a session: `utterance` events as at `/utterances`, `session` events as its state.

    It begins with the present state, or after `Last-Event-ID`, and ends with the session. When too
    many follow one session, the oldest stream is ended.
    """
    if grant.session.ended is not None and last_event_id == END_ID:
        return Response(status_code=204)
    return EventStream(follow(grant, speech.feed(grant), states, bounds, last_event_id), stream)


async def follow(
    grant: SessionGrant,
    feed: UtteranceFeed,
    states: StateReader,
    bounds: WebBounds,
    last_id: str | None,
) -> AsyncIterator[ServerSentEvent]:
    """The events of a session from `last_id` on, until it ends."""

    async def state(*, retry: int | None = None, event_id: str | None = None) -> ServerSentEvent:
        told = await states.now(grant)
        return ServerSentEvent(event="session", id=event_id, data=told, retry=retry)

    yield await state(retry=RECONNECT_MS)
    while True:
        news = feed.since(last_id)
        for event in news:
            last_id = event.id
            receipt = UtteranceReceipt.of(event.receipt)
            yield ServerSentEvent(event="utterance", id=event.id, data=receipt)
        if news:
            continue
        if feed.over:
            # Without an end another process has the session, and is asked by the next stream.
            if grant.session.ended is not None:
                yield await state(event_id=END_ID)
            return
        try:
            async with asyncio.timeout(bounds.session_events_seconds):
                await feed.next_event()
        except TimeoutError:
            if not feed.over:
                yield await state()
