"""How every control call but an end goes upstream: one of a session after the other."""

from collections.abc import Awaitable, Callable

from app.kaltura.client import SessionAccess
from app.kaltura.contract import Operation
from app.problems import SessionEnded
from app.sessions.chronicle import Call
from app.sessions.ending import SessionEnder, ended
from app.sessions.live import AvatarSession, EndReason, LiveSessions
from app.sessions.speaking.pieces import Unwanted
from app.sessions.upstream import carry_out


class Sender:
    """Keeps the order of a session's calls, and notices when one finds the session over."""

    def __init__(self, *, sessions: LiveSessions, ender: SessionEnder) -> None:
        self._sessions = sessions
        self._ender = ender

    async def send(
        self,
        operation: Operation,
        session: AvatarSession,
        call: Callable[[SessionAccess], Awaitable[None]],
        *,
        asked: Call | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Raises a `Problem`, or `Unwanted` when its turn comes and it `is_wanted` no more.

        What stands in line to be said was on record when it was asked for; anything else comes
        on record here, as `asked`.
        """
        queued = operation in {Operation.SAY_TEXT, Operation.SAY_AUDIO}
        async with self._sessions.lane(session.session_id, express=queued):
            current = await self._sessions.get(session.session_id)
            if current is None or current.ended is not None:
                raise ended(current)
            if not is_wanted():
                raise Unwanted
            if asked is not None:
                await asked.accepted()
            try:
                await carry_out(operation, call(session.access), asked, session.session_id)
            except SessionEnded as over:
                # Perhaps only this call met a strange answer: the reaper ends it to be sure.
                gone = await self._ender.is_over(session.session_id, EndReason.GONE)
                raise ended(gone) from over
