"""Rate limits: a sliding window for each visitor and each address."""

import contextlib
import ipaddress
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Final, Self

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import RateLimiter, SlidingWindowCounterRateLimiter
from starlette.types import Scope

from app.config.settings import Settings
from app.problems import RateLimited, RecordUnavailable
from app.replicas.rates import SharedRates, Window

MAX_COUNTED: Final = 20_000
"""The most counters in memory, about 5 MB; a caller has two, for this window and the last."""

WRONG_TOKENS: Final = "10/minute"
"""The rate at which one address may send wrong operator tokens."""

_IPV6_HOME: Final = 56
"""The prefix length by which IPv6 is counted: a home may have a whole /56 (RFC 6177)."""


class BoundedMemory(MemoryStorage):
    """The library's counters in memory, bounded: the oldest make room for new ones.

    A caller with enough addresses to push others out could not be limited by address anyway. It is
    the library's storage without `await`, which counts a call in 20 us rather than in 50.
    """

    def __init__(self, most: int = MAX_COUNTED) -> None:
        super().__init__()
        self._most = most
        # The library would look through all counters in a thread, again and again, unless one is
        # alive. Counters that have expired do no harm until there is no room.
        self.timer.cancel()
        self.timer = threading.main_thread()  # type: ignore[assignment] # it is asked for its life

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count as the library does, after making room."""
        while key not in self.expirations and len(self.expirations) >= self._most:
            self.clear(next(iter(self.expirations)))
        return super().incr(key, expiry, amount)


class Rate:
    """The rate of one kind of call, for each caller.

    With `shared` the processes on one Postgres count together; while it can't be written, each
    counts by itself.
    """

    def __init__(
        self,
        name: str,
        limit: RateLimitItem,
        limiter: RateLimiter,
        shared: SharedRates | None = None,
    ) -> None:
        self._name = name
        self._limit = limit
        self._limiter = limiter
        self._shared = shared

    async def take(self, *callers: str) -> Mapping[str, str]:
        """Count one call for each of these callers, and return the headers that tell the rest.

        Raises `RateLimited`, and counts nothing, when one of them has nothing left.
        """
        if self._shared is not None:
            with contextlib.suppress(RecordUnavailable):
                return await self._take_shared(self._shared, callers)
        quotas = [self._quota(caller) for caller in callers]
        self._require_left(quotas)
        for caller in callers:
            self._limiter.hit(self._limit, self._name, caller)
        least = min(quotas)
        return self._headers(_Quota(least.remaining - 1, least.seconds))

    async def require(self, *callers: str) -> None:
        """Raises `RateLimited` when one of these callers has nothing left; does not count."""
        if self._shared is not None:
            with contextlib.suppress(RecordUnavailable):
                windows = await self._shared.read(self._limit, self._name, callers)
                self._require_left(map(self._quota_of, windows.values()))
                return
        self._require_left(map(self._quota, callers))

    async def _take_shared(self, shared: SharedRates, callers: Sequence[str]) -> Mapping[str, str]:
        while (windows := await shared.hit(self._limit, self._name, callers)) is None:
            await self.require(*callers)  # unless there is more by now, this raises
        return self._headers(min(map(self._quota_of, windows.values())))

    def _require_left(self, quotas: Iterable["_Quota"]) -> None:
        spent = [quota for quota in quotas if not quota.remaining]
        if spent:
            last = max(spent)
            raise RateLimited(retry_after=last.seconds, quota=self._headers(last))

    def _quota_of(self, window: Window) -> "_Quota":
        return _Quota(window.remaining(self._limit.amount), floor(window.seconds_to_more) + 1)

    def _quota(self, caller: str) -> "_Quota":
        reset_at, remaining = self._limiter.get_window_stats(self._limit, self._name, caller)
        # Rounded up, and at least a second: at `reset_at` itself nothing is free yet. At the very
        # start of a window the library tells that start, and not its end.
        left = max(reset_at - time.time(), 0) or self._limit.get_expiry()
        return _Quota(remaining, floor(left) + 1)

    def _headers(self, quota: "_Quota") -> Mapping[str, str]:
        """The headers of draft-ietf-httpapi-ratelimit-headers-11."""
        limit, seconds = self._limit.amount, self._limit.get_expiry()
        return {
            "RateLimit-Policy": f'"{self._name}";q={limit};w={seconds}',
            "RateLimit": f'"{self._name}";r={quota.remaining};t={quota.seconds}',
        }


@dataclass(frozen=True, order=True)
class _Quota:
    """The calls that a caller has left, and the seconds until there are more."""

    remaining: int
    seconds: int


@dataclass(frozen=True)
class Rates:
    """All rates, which share one storage."""

    create: Rate
    speak: Rate
    control: Rate
    sign_in: Rate

    @classmethod
    def of(cls, settings: Settings, shared: SharedRates | None = None) -> Self:
        """The rates of these settings; `shared` counts them for all processes."""
        limiter = SlidingWindowCounterRateLimiter(BoundedMemory())

        def rate(name: str, limit: str) -> Rate:
            return Rate(name, parse(limit), limiter, shared)

        return cls(
            create=rate("create", settings.create_rate_limit),
            speak=rate("speak", settings.speak_rate_limit),
            control=rate("control", settings.control_rate_limit),
            sign_in=rate("sign-in", WRONG_TOKENS),
        )


def address_of(scope: Scope) -> str:
    """The address by which a call is counted: an IPv4 address, or an IPv6 network.

    The server has replaced a trusted proxy's address by that of its client.
    """
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "elsewhere"  # addresses that can't be read share one count
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((int(address), _IPV6_HOME), strict=False))
    return str(address)
