"""Decides which session a caller may use, and which controls the caller may use on it."""

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
from app.sessions.tokens import InvalidTokenError, SessionTokens, is_foreign

SERVICE: Final = "service:"
"""Prefix of the owner name of every session that a service opened."""

EVERY_CONTROL: frozenset[Control] = frozenset(get_args(Control))
"""Every control there is; a service may use them all on its sessions."""


@dataclass(frozen=True)
class Caller:
    """Identity of a request's sender: a known visitor, the bearer of a token, both, or neither.

    `service` is the owner name of the service that the token belongs to (`ServiceTokens.owner`).
    `in_authorization` tells that the token came in `Authorization`, to which proxies add theirs.
    """

    visitor: Visitor | None = None
    token: str | None = None
    service: str | None = None
    in_authorization: bool = False

    @property
    def token_is_from_proxy(self) -> bool:
        """Whether a proxy that signs visitors in may have added the token, such as its ID token.

        It is then ignored, unless it opens a session here or belongs to a service: the proxy adds
        it to requests of other sites' pages too.
        """
        return self.in_authorization and self.token is not None and is_foreign(self.token)


@dataclass(frozen=True)
class SessionGrant:
    """A session together with the controls that one caller may use on it.

    `by_service` tells that the caller is a service. `address` is the caller's network address; None
    leaves the caller out of every address's share.
    """

    runtime: SessionRuntime
    controls: frozenset[Control]
    by_service: bool = False
    address: str | None = None

    @property
    def session(self) -> AvatarSession:
        """The current state of the session."""
        return self.runtime.session

    def require(self, control: Control) -> None:
        """Raise `ControlNotAllowed` for a control that this caller may not use."""
        if control not in self.controls:
            raise ControlNotAllowed(f"Visitors may not use {control} here.")

    @property
    def service(self) -> str | None:
        """The name of the calling service; None when the caller is a visitor."""
        return self.session.owner.removeprefix(SERVICE) if self.by_service else None

    @property
    def visitor(self) -> str | None:
        """The id of the calling visitor; None when the caller is a service.

        A session that a service opened may also be controlled by the page that shows it. The
        visitor of that page is not known, so the session's id stands for the visitor's.
        """
        if self.by_service:
            return None
        owner = self.session.owner
        return self.session.session_id if owner.startswith(SERVICE) else owner


class ServiceTokens:
    """The tokens of services: other servers that open sessions, and control those they opened.

    `tokens` has one token per service, by the name of the service.
    """

    def __init__(self, tokens: Mapping[str, SecretStr]) -> None:
        self._tokens = tokens

    def owner(self, token: str) -> str | None:
        """The owner name of the service that a token belongs to; None when there is none."""
        # Every token is compared, so that the time taken does not tell which one was nearly right.
        owners = [SERVICE + name for name, own in self._tokens.items() if _same(token, own)]
        return owners[0] if owners else None

    def recognised(self, caller: Caller) -> Caller:
        """The caller, with `service` set when the caller's token belongs to a service."""
        owner = self.owner(caller.token) if caller.token else None
        return caller if owner is None else replace(caller, service=owner)


class AccessControl:
    """Finds the session that a caller may use, and reveals no other session (OWASP API1).

    When a token is sent, the token alone decides: a cookie does not make up for a wrong token.
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
        """The grant for a session, ended or not; raises `Unauthenticated` or `SessionNotFound`."""
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
                if not caller.token_is_from_proxy:
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
            # The owner is compared too: Kaltura may use a session id again, and a token of the
            # earlier session must not open the later one.
            return session is not None and (claims.session_id, claims.subject) == (
                session_id,
                session.owner,
            )
        if session is not None and _same(token, session.access.token):
            return True
        if self._registry.index.has_token(token):
            return False
        raise Unauthenticated


def _same(token: str, other: SecretStr) -> bool:
    """Whether two tokens are equal, compared in constant time; an empty token equals none.

    A session that an earlier process ended has an empty token.
    """
    return bool(token) and hmac.compare_digest(token.encode(), other.get_secret_value().encode())
