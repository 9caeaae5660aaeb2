"""A login as an app may have one: it signs tokens, and publishes its keys."""

import asyncio
import warnings
from collections import deque
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

ISSUER = "https://login.test/realm"
AUDIENCE = "avatars"
JWKS_URL = "https://login.test/realm/keys"
BY_LOGIN: dict[str, Any] = {
    "auth_mode": "jwt",
    "auth_jwks_url": JWKS_URL,
    "auth_issuer": ISSUER,
    "auth_audience": AUDIENCE,
}

Answer = httpx.Response | Exception | Callable[[], Awaitable[httpx.Response]]


@cache
def made_key(kid: str, kind: str = "RSA") -> Key:
    """The same key for the same id: RSA keys take a while to make."""
    parameters: Any = {"kid": kid}
    match kind:
        case "RSA":
            return RSAKey.generate_key(2048, parameters)
        case "Ed25519":
            return OKPKey.generate_key("Ed25519", parameters)
        case curve:
            return ECKey.generate_key(curve, parameters)


def published(*keys: Key, **changes: Any) -> httpx.Response:
    """The answer that publishes these keys, without what signs."""
    listed = [{**key.as_dict(private=False), **changes} for key in keys]
    return httpx.Response(200, json={"keys": listed})


class FakeLogin(httpx.AsyncBaseTransport):
    """Publishes `keys` unless told to answer otherwise; remembers how often it was asked."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.keys: list[Key] = [made_key("first")]
        self.script: deque[Answer] = deque()
        self.always: Answer | None = None
        self.requests: list[httpx.Request] = []
        self.closed = False
        self._clock = clock

    @property
    def asked(self) -> int:
        return len(self.requests)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.script.popleft() if self.script else self.always
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        return published(*self.keys) if answer is None else await answer()

    async def aclose(self) -> None:
        self.closed = True

    def token(
        self, key: Key | None = None, *, alg: str = "RS256", header: Any = None, **claims: Any
    ) -> str:
        """A good token, but for what is asked for; a claim of None is left out."""
        key = key or self.keys[0]
        now = int(self._clock())
        all_claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            **claims,
        }
        kept = {name: value for name, value in all_claims.items() if value is not None}
        whole = {"alg": alg, "kid": key.kid, **(header or {})}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of signing with EdDSA
            return jwt.encode({k: v for k, v in whole.items() if v is not None}, kept, key, [alg])


class Held:
    """An answer that is on its way until the test lets it come."""

    def __init__(self, answer: httpx.Response) -> None:
        self.reached = asyncio.Event()
        self.come = asyncio.Event()
        self._answer = answer

    async def __call__(self) -> httpx.Response:
        self.reached.set()
        await self.come.wait()
        return self._answer
