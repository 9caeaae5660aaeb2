"""The public keys of a login (RFC 7517): fetched, cached, and fetched again at a limited rate."""

import asyncio
import contextlib
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiohttp
import httpx
import structlog
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key, import_key

from app.identity.fetching import fetch
from app.problems import SignInUnavailable

FRESH_SECONDS: Final = 600
"""The age at which keys are fetched again in the background; the old ones are used meanwhile."""

STALE_SECONDS: Final = 3600
"""The age at which keys that could not be renewed are no longer used."""

PAUSE_SECONDS: Final = 15
"""The shortest time between two fetches, however many tokens name keys that do not exist."""

FETCH_SECONDS: Final = 5
"""The longest wait for the whole answer; the first visitors wait for it too."""

_KEY_TYPES: Final = ("RSA", "EC", "OKP")
"""The asymmetric key types: a key that verifies must not be able to sign."""

log = structlog.get_logger(__name__)


class JwksCache:
    """The cached keys of the JWK Set at `url`; `monotonic` gives seconds that never jump."""

    def __init__(
        self,
        url: str,
        transport: httpx.AsyncBaseTransport,
        monotonic: Callable[[], float],
        *,
        fetch_seconds: float = FETCH_SECONDS,
    ) -> None:
        self._url = url
        self._transport = transport
        self._monotonic = monotonic
        self._fetch_seconds = fetch_seconds
        self._keys: list[Key] = []
        self._fetched_at = self._asked_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def candidates(self, kid: str | None) -> Sequence[Key]:
        """The keys that may have signed a token: those of the id `kid`, and those without an id.

        For a token without an id, all keys; for an id that the login does not have, none. Raises
        `SignInUnavailable` while no keys can be fetched.
        """
        if not self._find(kid):
            await self.renew()
        elif self._age >= FRESH_SECONDS:
            self._refresh()
        if self._age >= STALE_SECONDS:
            raise SignInUnavailable(retry_after=PAUSE_SECONDS)
        return self._find(kid)

    async def renew(self) -> None:
        """Fetch the keys, or wait for a fetch under way; at most once in `PAUSE_SECONDS`."""
        fetching = self._refresh()
        if fetching is not None:
            # Shielded: cancelling one caller must not cancel what other callers wait for.
            await asyncio.shield(fetching)

    async def aclose(self) -> None:
        """Cancel a fetch that is under way, and close the connections."""
        if self._fetching is not None:
            self._fetching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetching
        await self._transport.aclose()

    @property
    def _age(self) -> float:
        return self._monotonic() - self._fetched_at

    def _find(self, kid: str | None) -> Sequence[Key]:
        if self._age >= STALE_SECONDS:
            return ()
        if kid is None:
            return self._keys
        return [key for key in self._keys if key.kid in (kid, None)]

    def _refresh(self) -> asyncio.Task[None] | None:
        if self._fetching is None and self._monotonic() >= self._asked_at + PAUSE_SECONDS:
            self._asked_at = self._monotonic()
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._done)
        return self._fetching

    def _done(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        """Replace the keys by those fetched; on failure log it and keep the old ones."""
        try:
            async with asyncio.timeout(self._fetch_seconds):
                body = await fetch(self._transport, self._url)
            self._keys = _keys_in(body)
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            log.warning("sign-in keys can't be fetched", reason=type(error).__name__)
        except ValueError as error:
            log.warning("sign-in keys can't be fetched", reason=str(error))
        else:
            self._fetched_at = self._monotonic()


def _keys_in(body: bytes) -> list[Key]:
    """The keys of a JWK Set that can verify a signature; raises `ValueError` for none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the answer is no JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    given = [_usable(one) for one in listed] if isinstance(listed, list) else []
    keys = [key for key in given if key is not None]
    if not keys:
        raise ValueError("AUTH_JWKS_URL answers no key that can be used")
    return keys


def _usable(given: Any) -> Key | None:
    """A JWK as a key that verifies signatures; None for other kinds, and for weak keys."""
    if not isinstance(given, dict) or given.get("kty") not in _KEY_TYPES:
        return None
    if given.get("use", "sig") != "sig":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)
            return import_key(given)
    except (JoseError, SecurityWarning, ValueError, TypeError, KeyError):
        return None
