"""How often callers may ask, counted in a sliding window for each visitor and each address."""

import asyncio
import ipaddress
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Final, Self

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import RateLimiter, SlidingWindowCounterRateLimiter
from starlette.types import Scope

from app.config.settings import Settings
from app.problems import RateLimited

MAX_COUNTED: Final = 20_000
"""Counters kept at the same time, about 5 MB; a busy caller has two, this window and the last."""

WRONG_TOKENS: Final = "10/minute"
"""Operator tokens that one address may get wrong."""

_IPV6_HOME: Final = 56
"""A home has up to a whole /56 of IPv6 addresses to choose from (RFC 6177)."""


class BoundedMemory(MemoryStorage):
    """The library's counters in memory, of which the oldest make room for new ones.

    Whoever can push others out has so many addresses that no count of them would hold.
    """

    def __init__(self, most: int = MAX_COUNTED) -> None:
        super().__init__()
        self._most = most
        # The library looks through all counters at each call unless it is at it already: 10 ms
        # when there are many. Room is made here, and what is over counts no more anyway.
        self.timer = asyncio.get_running_loop().create_future()  # type: ignore[assignment]

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """The library's own, with room made first."""
        while key not in self.expirations and len(self.expirations) >= self._most:
            await self.clear(next(iter(self.expirations)))
        return await super().incr(key, expiry, amount)


class Rate:
    """So many calls of one kind in a time, from each caller."""

    def __init__(self, name: str, limit: RateLimitItem, limiter: RateLimiter) -> None:
        self._name = name
        self._limit = limit
        self._limiter = limiter

    async def take(self, *callers: str) -> Mapping[str, str]:
        """Count one call of all of these callers, and return the headers that say what is left.

        Raises `RateLimited`, and counts nothing, when one of them has nothing left.
        """
        await self.require(*callers)
        for caller in callers:
            await self._limiter.hit(self._limit, self._name, caller)
        return self._headers(min([await self._quota(caller) for caller in callers]))

    async def require(self, *callers: str) -> None:
        """Raises `RateLimited` when one of these callers has nothing left; counts nothing."""
        spent = [q for q in [await self._quota(caller) for caller in callers] if not q.remaining]
        if spent:
            last = max(spent)
            raise RateLimited(retry_after=last.seconds, quota=self._headers(last))

    async def _quota(self, caller: str) -> "_Quota":
        reset_at, remaining = await self._limiter.get_window_stats(self._limit, self._name, caller)
        # A second more than none, and never too early: at `reset_at` itself it is still full.
        return _Quota(remaining, floor(max(reset_at - time.time(), 0)) + 1)

    def _headers(self, quota: "_Quota") -> Mapping[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-11 has them."""
        limit, seconds = self._limit.amount, self._limit.get_expiry()
        return {
            "RateLimit-Policy": f'"{self._name}";q={limit};w={seconds}',
            "RateLimit": f'"{self._name}";r={quota.remaining};t={quota.seconds}',
        }


@dataclass(frozen=True, order=True)
class _Quota:
    """What a caller has left, and the seconds until it is more."""

    remaining: int
    seconds: int


@dataclass(frozen=True)
class Rates:
    """Every rate; they are counted in one place, so that replicas could share it."""

    create: Rate
    speak: Rate
    control: Rate
    sign_in: Rate

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The rates that the settings ask for."""
        limiter = SlidingWindowCounterRateLimiter(BoundedMemory())
        return cls(
            create=Rate("create", parse(settings.create_rate_limit), limiter),
            speak=Rate("speak", parse(settings.speak_rate_limit), limiter),
            control=Rate("control", parse(settings.control_rate_limit), limiter),
            sign_in=Rate("sign-in", parse(WRONG_TOKENS), limiter),
        )


def address_of(scope: Scope) -> str:
    """Where a call comes from, as rates count it: an IPv4 address, or an IPv6 network.

    The server has replaced a trusted proxy's address by that of its client.
    """
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "elsewhere"  # nobody says more of themselves by being unreadable
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((int(address), _IPV6_HOME), strict=False))
    return str(address)
