"""The moment in which a session that was opened becomes its visitor's."""

from fastapi import Request

from app.sessions.broker import SessionBroker
from app.sessions.live import EndReason
from app.sessions.opening import OpenedSession


async def handed_over(
    request: Request, broker: SessionBroker, opened: OpenedSession
) -> OpenedSession:
    """The session; ended at once when whoever asked for it has hung up meanwhile."""
    if await request.is_disconnected():
        broker.end_soon(opened.session, EndReason.VISITOR)
    return opened
