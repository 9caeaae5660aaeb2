"""The sources of the Kaltura Session (KS): configured, or made and renewed by the broker."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from pydantic import SecretStr

from app.kaltura.errors import KalturaError
from app.kaltura.minting import LIFETIME_SECONDS, IssuedKs

RENEWED_AFTER: Final = 0.8
"""The fraction of a KS's lifetime after which the next one is made in the background."""

PAUSE_SECONDS: Final = 5
"""The shortest time between two attempts: at once, another would fail as the one before."""

log = structlog.get_logger(__name__)

MADE: Final = "made"
FAILED: Final = "failed"


class KsSource(Protocol):
    """The KS for each create."""

    @property
    def renewals(self) -> Mapping[str, int]:
        """How often making a KS has succeeded (`MADE`) and failed (`FAILED`)."""
        ...

    async def ks(self) -> SecretStr:
        """The KS to use now; raises a `KalturaError` when none can be had."""
        ...

    async def replace(self, refused: SecretStr) -> SecretStr | None:
        """Another KS in place of one that Kaltura refused; None when there is none to try."""
        ...

    async def aclose(self) -> None:
        """Stop work in the background."""
        ...


class ConfiguredKs:
    """The KS from `AVATAR_KS`, which the operator renews."""

    def __init__(self, ks: SecretStr) -> None:
        self._ks = ks
        self.renewals: Mapping[str, int] = {MADE: 0, FAILED: 0}

    async def ks(self) -> SecretStr:
        """The configured KS."""
        return self._ks

    async def replace(self, refused: SecretStr) -> SecretStr | None:  # noqa: ARG002 - a source's signature
        """None: there is no other KS."""
        return None

    async def aclose(self) -> None:
        """Do nothing: there is no work in the background."""


@dataclass(frozen=True)
class _CachedKs:
    """A KS and its times in monotonic seconds."""

    ks: SecretStr
    renew_at: float
    expires_at: float


class MintedKs:
    """Caches one KS that `mint` made, and replaces it before it expires or when it is refused.

    One KS is made at a time, however many callers need one, and none of them waits for it while
    the previous one is valid. `clock` gives unix seconds, as Kaltura does, and `monotonic` seconds
    that never jump.
    """

    def __init__(
        self,
        mint: Callable[[], Awaitable[IssuedKs]],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._mint = mint
        self._clock = clock
        self._monotonic = monotonic
        self.renewals = {MADE: 0, FAILED: 0}
        self._cached: _CachedKs | None = None
        self._minting: asyncio.Task[SecretStr] | None = None
        self._mint_again_at = 0.0
        self._replace_again_at = 0.0

    async def ks(self) -> SecretStr:
        """The cached KS, or a new one when the cached one has expired."""
        now = self._monotonic()
        if self._cached is None or now >= self._cached.expires_at:
            # Shielded: cancelling one caller must not cancel what other callers wait for.
            return await asyncio.shield(self._start_minting())
        if now >= self._cached.renew_at:
            self._start_minting()
        return self._cached.ks

    async def replace(self, refused: SecretStr) -> SecretStr | None:
        """The KS that has replaced `refused` already, or else a new one.

        None when its predecessor was refused too, less than `PAUSE_SECONDS` ago: a third one would
        be refused as well.
        """
        if self._cached is not None and self._cached.ks == refused:
            if self._monotonic() < self._replace_again_at:
                return None
            self._replace_again_at = self._monotonic() + PAUSE_SECONDS
            self._cached = None
        return await self.ks()

    async def aclose(self) -> None:
        """Cancel the making of a KS that is under way."""
        if self._minting is not None and not self._minting.done():
            self._minting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._minting

    def _start_minting(self) -> asyncio.Task[SecretStr]:
        """The attempt that is under way or failed moments ago, or else a new one."""
        last = self._minting
        if last is not None and (not last.done() or self._monotonic() < self._mint_again_at):
            return last
        self._minting = asyncio.create_task(self._mint_one())
        self._minting.add_done_callback(_retrieve_exception)
        return self._minting

    async def _mint_one(self) -> SecretStr:
        started_at, started_at_unix = self._monotonic(), self._clock()
        try:
            minted = await self._mint()
        except KalturaError as error:
            self._mint_again_at = self._monotonic() + PAUSE_SECONDS
            self.renewals[FAILED] += 1
            log.warning(
                "no ks was made", outcome=type(error).__name__, upstream_status=error.status
            )
            raise
        lifetime = _lifetime_seconds(minted, started_at_unix)
        self._cached = _CachedKs(
            minted.ks,
            renew_at=started_at + RENEWED_AFTER * lifetime,
            expires_at=started_at + lifetime,
        )
        self.renewals[MADE] += 1
        log.info("a ks was made", good_for_seconds=round(lifetime))
        return minted.ks


def _lifetime_seconds(minted: IssuedKs, started_at: float) -> float:
    """The lifetime that was asked for, or a shorter one that Kaltura names."""
    if minted.expires_at is None or minted.expires_at <= started_at:
        return LIFETIME_SECONDS
    return min(LIFETIME_SECONDS, minted.expires_at - started_at)


def _retrieve_exception(minting: asyncio.Task[SecretStr]) -> None:
    """Read a failed attempt's exception: asyncio warns of one that no caller has read."""
    if not minting.cancelled():
        minting.exception()
