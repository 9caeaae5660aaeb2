"""Rate limits: a sliding window for each visitor and each address."""

import contextlib
import ipaddress
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Final, NamedTuple, Self

from limits import RateLimitItem, parse
from starlette.types import Scope

from app.config.settings import Settings
from app.problems import RateLimited, RecordUnavailable
from app.replicas.rates import SharedRateCounter, Window

MAX_COUNTED: Final = 20_000
"""The most counts in memory, about 5 MB."""

WRONG_TOKENS: Final = "10/minute"
"""The rate at which one address may send wrong operator tokens."""

_IPV6_HOME: Final = 56
"""The prefix length by which IPv6 is counted: a home may have a whole /56 (RFC 6177)."""


class LocalRateCounter:
    """Counts calls in sliding windows in memory, where the callers seen last are kept.

    A caller with enough addresses to push others out could not be limited by address anyway.
    """

    def __init__(self, most: int = MAX_COUNTED) -> None:
        self._most = most
        self._counts: dict[tuple[str, str], tuple[float, int, int]] = {}
        """By rate and caller: the number of the last window, and the hits before and in it."""

    def __len__(self) -> int:
        """How many counts are kept."""
        return len(self._counts)

    def read(self, limit: RateLimitItem, name: str, callers: Sequence[str]) -> Mapping[str, Window]:
        """What was counted of each caller."""
        return self._now(limit, name, callers)[1]

    def hit(
        self, limit: RateLimitItem, name: str, callers: Sequence[str]
    ) -> Mapping[str, Window] | None:
        """Count a call of every caller; None, and none is counted, when one has nothing left."""
        number, windows = self._now(limit, name, callers)
        if not all(window.remaining(limit.amount) for window in windows.values()):
            return None
        counted = {}
        for caller, window in windows.items():
            self._counts.pop((name, caller), None)
            if len(self._counts) >= self._most:
                del self._counts[next(iter(self._counts))]
            counted[caller] = window._replace(hits=window.hits + 1)
            self._counts[name, caller] = number, window.before, window.hits + 1
        return counted

    def _now(
        self, limit: RateLimitItem, name: str, callers: Sequence[str]
    ) -> tuple[float, dict[str, Window]]:
        """The number of the window since 1970, and what was counted of each caller."""
        seconds = limit.get_expiry()
        number, fraction = divmod(time.time() / seconds, 1)
        windows = {}
        for caller in callers:
            last, before, hits = self._counts.get((name, caller), (number, 0, 0))
            if last != number:
                before, hits = hits if last == number - 1 else 0, 0
            windows[caller] = Window(seconds, before, hits, fraction)
        return number, windows


class RateLimiter:
    """Limits the rate of one kind of call, for each caller.

    With `shared` the processes on one Postgres count together; while it can't be written, each
    counts by itself.
    """

    def __init__(
        self,
        name: str,
        limit: RateLimitItem,
        local: LocalRateCounter,
        shared: SharedRateCounter | None = None,
    ) -> None:
        self._name = name
        self._limit = limit
        self._local = local
        self._shared = shared

    async def take(self, *callers: str) -> Mapping[str, str]:
        """Count one call for each of these callers, and return the headers that tell the rest.

        Raises `RateLimited`, and counts nothing, when one of them has nothing left.
        """
        if self._shared is not None:
            with contextlib.suppress(RecordUnavailable):
                return await self._take_shared(self._shared, callers)
        while (windows := self._local.hit(self._limit, self._name, callers)) is None:
            self._require_left(self._local.read(self._limit, self._name, callers))  # this raises
        return self._headers(windows)

    async def require(self, *callers: str) -> None:
        """Raises `RateLimited` when one of these callers has nothing left; does not count."""
        if self._shared is not None:
            with contextlib.suppress(RecordUnavailable):
                windows = await self._shared.read(self._limit, self._name, callers)
                self._require_left(windows)
                return
        self._require_left(self._local.read(self._limit, self._name, callers))

    async def _take_shared(
        self, shared: SharedRateCounter, callers: Sequence[str]
    ) -> Mapping[str, str]:
        while (windows := await shared.hit(self._limit, self._name, callers)) is None:
            await self.require(*callers)  # unless there is more by now, this raises
        return self._headers(windows)

    def _require_left(self, windows: Mapping[str, Window]) -> None:
        quotas = map(self._quota, windows.values())
        spent = [quota for quota in quotas if not quota.remaining]
        if spent:
            last = max(spent)
            raise RateLimited(retry_after=last.seconds, quota=self._told(last))

    def _headers(self, windows: Mapping[str, Window]) -> Mapping[str, str]:
        return self._told(min(map(self._quota, windows.values())))

    def _quota(self, window: Window) -> "_Quota":
        # Rounded up, and at least a second: at the end of a window nothing is free yet.
        return _Quota(window.remaining(self._limit.amount), floor(window.seconds_to_more) + 1)

    def _told(self, quota: "_Quota") -> Mapping[str, str]:
        """The headers of draft-ietf-httpapi-ratelimit-headers-11."""
        limit, seconds = self._limit.amount, self._limit.get_expiry()
        return {
            "RateLimit-Policy": f'"{self._name}";q={limit};w={seconds}',
            "RateLimit": f'"{self._name}";r={quota.remaining};t={quota.seconds}',
        }


class _Quota(NamedTuple):
    """The calls that a caller has left, and the seconds until there are more."""

    remaining: int
    seconds: int


@dataclass(frozen=True)
class RateLimiters:
    """The limiters of all kinds of calls, which share one storage."""

    create: RateLimiter
    speak: RateLimiter
    control: RateLimiter
    sign_in: RateLimiter

    @classmethod
    def of(cls, settings: Settings, shared: SharedRateCounter | None = None) -> Self:
        """The limiters of these settings; `shared` counts for all processes."""
        local = LocalRateCounter()

        def limiter(name: str, limit: str) -> RateLimiter:
            return RateLimiter(name, parse(limit), local, shared)

        return cls(
            create=limiter("create", settings.create_rate_limit),
            speak=limiter("speak", settings.speak_rate_limit),
            control=limiter("control", settings.control_rate_limit),
            sign_in=limiter("sign-in", WRONG_TOKENS),
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
