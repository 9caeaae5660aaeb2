"""Whose session it is."""

import hmac
from dataclasses import dataclass

from pydantic import SecretStr

from app.problems import SessionNotFound, Unauthenticated
from app.sessions.live import AvatarSession, LiveSessions
from app.sessions.tokens import InvalidTokenError, SessionTokens


@dataclass(frozen=True)
class Caller:
    """Who calls: a bearer of a token, a visitor known by cookie, both, or neither."""

    visitor: str | None = None
    token: str | None = None


class Ownership:
    """Finds a caller's own session; a stranger learns nothing of it (OWASP API1).

    A token, where one is sent, decides alone: a cookie beside it does not help.
    """

    def __init__(self, *, sessions: LiveSessions, tokens: SessionTokens, sealed: bool) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._sealed = sealed

    async def find(self, caller: Caller, session_id: str) -> AvatarSession:
        """The session, ended or not; raises `Unauthenticated` or `SessionNotFound`."""
        session = await self._sessions.get(session_id)
        if caller.token is not None:
            known = await self._opens(caller.token, session_id, session)
        elif caller.visitor is not None:
            known = session is not None and hmac.compare_digest(session.owner, caller.visitor)
        else:
            raise Unauthenticated
        if session is None or not known:
            raise SessionNotFound
        return session

    async def _opens(self, token: str, session_id: str, session: AvatarSession | None) -> bool:
        if self._sealed:
            try:
                return self._tokens.read(token).session_id == session_id
            except InvalidTokenError:
                raise Unauthenticated from None
        if session is not None and _same(token, session.access.token):
            return True
        if any(_same(token, other.access.token) for other in await self._sessions.all()):
            return False
        raise Unauthenticated


def _same(token: str, other: SecretStr) -> bool:
    return hmac.compare_digest(token.encode(), other.get_secret_value().encode())
