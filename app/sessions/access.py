"""Whose session it is, and what its holder may do with it."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, get_args

from pydantic import SecretStr

from app.config.setting_types import Control
from app.identity.visitor import Visitor
from app.problems import ControlNotAllowed, SessionNotFound, Unauthenticated
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession
from app.sessions.tokens import InvalidTokenError, SessionTokens

SERVICE: Final = "service:"
"""How the owner of a service's sessions begins."""

EVERY_CONTROL: frozenset[Control] = frozenset(get_args(Control))


@dataclass(frozen=True)
class Caller:
    """Who calls: a visitor who is known, the bearer of a token, both, or neither.

    `service` is the owner name of the service whose token it is (`Services.owner`).
    `token_is_a_proxys` is whether the token may have been added by a proxy that signs visitors in.
    It then counts as none, unless it is one that opens something here.
    """

    visitor: Visitor | None = None
    token: str | None = None
    service: str | None = None
    token_is_a_proxys: bool = False


@dataclass(frozen=True)
class SessionGrant:
    """A session that its caller may use these controls on.

    `address` is where they call from, when it counts.
    """

    runtime: SessionRuntime
    controls: frozenset[Control]
    by_service: bool = False
    address: str | None = None

    @property
    def session(self) -> AvatarSession:
        """The session as it is now."""
        return self.runtime.session

    def require(self, control: Control) -> None:
        """Raise `ControlNotAllowed` for a control that this caller may not use."""
        if control not in self.controls:
            raise ControlNotAllowed(f"Visitors may not use {control} here.")

    @property
    def service(self) -> str | None:
        """The name of the service that holds it; None when it is a visitor."""
        return self.session.owner.removeprefix(SERVICE) if self.by_service else None

    @property
    def visitor(self) -> str | None:
        """Who the visitor is that holds it; None when it is a service.

        The visitors of a service are not known, but each of its sessions is on one's page.
        """
        if self.by_service:
            return None
        owner = self.session.owner
        return self.session.session_id if owner.startswith(SERVICE) else owner


class Services:
    """Other servers that may open sessions, and control those they opened, by a token each."""

    def __init__(self, tokens: Mapping[str, SecretStr]) -> None:
        self._tokens = tokens

    def owner(self, token: str) -> str | None:
        """As whom a service owns its sessions; None when `token` is no service's."""
        # Every token is compared, so that the time taken tells nothing of which one was close.
        owners = [SERVICE + name for name, own in self._tokens.items() if _same(token, own)]
        return owners[0] if owners else None

    def recognised(self, caller: Caller) -> Caller:
        """The caller, with the service whose token it has."""
        return replace(caller, service=self.owner(caller.token)) if caller.token else caller


class AccessControl:
    """Finds a caller's own session; a stranger learns nothing of it (OWASP API1).

    A token, where one is sent, decides alone: who the visitor is does not help.
    """

    def __init__(
        self,
        *,
        registry: SessionRegistry,
        tokens: SessionTokens,
        sealed: bool,
        visitor_controls: frozenset[Control],
    ) -> None:
        self._registry = registry
        self._tokens = tokens
        self._sealed = sealed
        self._visitor_controls = visitor_controls

    async def find(self, caller: Caller, session_id: str) -> SessionGrant:
        """The session, ended or not; raises `Unauthenticated` or `SessionNotFound`."""
        runtime = await self._registry.find(session_id)
        session = runtime.session if runtime else None
        controls = self._visitor_controls
        if caller.service is not None:
            known = session is not None and session.owner == caller.service
            controls = EVERY_CONTROL
        else:
            known = self._is_visitors(caller, session_id, session)
        if runtime is None or not known or not runtime.session.ready:
            raise SessionNotFound
        return SessionGrant(runtime, controls, by_service=caller.service is not None)

    def _is_visitors(self, caller: Caller, session_id: str, session: AvatarSession | None) -> bool:
        if caller.token is not None:
            try:
                return self._opens(caller.token, session_id, session)
            except Unauthenticated:
                if not caller.token_is_a_proxys:
                    raise
        if caller.visitor is None:
            raise Unauthenticated
        return session is not None and hmac.compare_digest(session.owner, caller.visitor.id)

    def _opens(self, token: str, session_id: str, session: AvatarSession | None) -> bool:
        if self._sealed:
            try:
                claims = self._tokens.read(token)
            except InvalidTokenError:
                raise Unauthenticated from None
            if claims.expired and (session is None or session.ended is None):
                raise Unauthenticated
            # The owner too: should Kaltura give an id anew, an old token must not open it.
            return session is not None and (claims.session_id, claims.subject) == (
                session_id,
                session.owner,
            )
        if session is not None and _same(token, session.access.token):
            return True
        if any(_same(token, other.access.token) for other in self._registry.sessions()):
            return False
        raise Unauthenticated


def _same(token: str, other: SecretStr) -> bool:
    """Whether they are equal; what an earlier process ended has no token, and none opens it."""
    return bool(token) and hmac.compare_digest(token.encode(), other.get_secret_value().encode())
