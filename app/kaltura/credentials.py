"""Where the Kaltura Session (KS) comes from."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from pydantic import SecretStr

from app.kaltura.errors import KalturaError
from app.kaltura.minting import LIFETIME_SECONDS, Minted

RENEWED_AFTER: Final = 0.8
"""The part of its life that a KS is used before another is made in the background."""

PAUSE_SECONDS: Final = 5
"""What failed or was refused just now would be again: so long nothing is tried anew."""

log = structlog.get_logger(__name__)


MADE: Final = "made"
FAILED: Final = "failed"


class KsSource(Protocol):
    """Gives the KS for each create."""

    @property
    def renewals(self) -> Mapping[str, int]:
        """How often one was `MADE`, and how often that has `FAILED`."""
        ...

    async def ks(self) -> SecretStr:
        """The KS to use now; raises a `KalturaError` when none can be had."""
        ...

    async def replace(self, refused: SecretStr) -> SecretStr | None:
        """Another KS for the one that Kaltura refused; None when there is no other to try."""
        ...

    async def aclose(self) -> None:
        """Stops what goes on in the background."""
        ...


class ConfiguredKs:
    """The KS from `AVATAR_KS`; its owner renews it."""

    def __init__(self, ks: SecretStr) -> None:
        self._ks = ks
        self.renewals: Mapping[str, int] = {MADE: 0, FAILED: 0}

    async def ks(self) -> SecretStr:
        """The configured KS."""
        return self._ks

    async def replace(self, refused: SecretStr) -> SecretStr | None:  # noqa: ARG002 - a source's signature
        """There is no other."""
        return None

    async def aclose(self) -> None:
        """Nothing goes on."""


@dataclass(frozen=True)
class _Kept:
    """A KS and its times, in seconds that never jump."""

    ks: SecretStr
    renew_at: float
    expires_at: float


class MintedKs:
    """Keeps one KS that `mint` made, and replaces it before it lapses or when it is refused.

    However many ask, one is made at a time, and nobody waits for it while the old one is good.
    `clock` gives unix seconds, as Kaltura does, and `monotonic` seconds that never jump.
    """

    def __init__(
        self,
        mint: Callable[[], Awaitable[Minted]],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._mint = mint
        self._clock = clock
        self._monotonic = monotonic
        self.renewals = {MADE: 0, FAILED: 0}
        self._kept: _Kept | None = None
        self._minting: asyncio.Task[SecretStr] | None = None
        self._mint_again_at = 0.0
        self._replace_again_at = 0.0

    async def ks(self) -> SecretStr:
        """The KS that is kept; a new one when there is none that is good."""
        now = self._monotonic()
        if self._kept is None or now >= self._kept.expires_at:
            # Shielded: a caller who leaves takes nothing from those who wait too.
            return await asyncio.shield(self._start_minting())
        if now >= self._kept.renew_at:
            self._start_minting()
        return self._kept.ks

    async def replace(self, refused: SecretStr) -> SecretStr | None:
        """The KS that has come in place of `refused`, or a new one.

        None when the one before was refused too, moments ago: a third would fare no better.
        """
        if self._kept is not None and self._kept.ks == refused:
            if self._monotonic() < self._replace_again_at:
                return None
            self._replace_again_at = self._monotonic() + PAUSE_SECONDS
            self._kept = None
        return await self.ks()

    async def aclose(self) -> None:
        """Gives up the KS that is being made."""
        if self._minting is not None and not self._minting.done():
            self._minting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._minting

    def _start_minting(self) -> asyncio.Task[SecretStr]:
        """What is under way, or what failed a moment ago, or else a new attempt."""
        last = self._minting
        if last is not None and (not last.done() or self._monotonic() < self._mint_again_at):
            return last
        self._minting = asyncio.create_task(self._mint_one())
        self._minting.add_done_callback(_look_at)
        return self._minting

    async def _mint_one(self) -> SecretStr:
        asked_at, asked_at_wall = self._monotonic(), self._clock()
        try:
            minted = await self._mint()
        except KalturaError as error:
            self._mint_again_at = self._monotonic() + PAUSE_SECONDS
            self.renewals[FAILED] += 1
            log.warning(
                "no ks was made", outcome=type(error).__name__, upstream_status=error.status
            )
            raise
        life = _seconds_of_life(minted, asked_at_wall)
        self._kept = _Kept(
            minted.ks, renew_at=asked_at + RENEWED_AFTER * life, expires_at=asked_at + life
        )
        self.renewals[MADE] += 1
        log.info("a ks was made", good_for_seconds=round(life))
        return minted.ks


def _seconds_of_life(minted: Minted, asked_at: float) -> float:
    """As long as was asked for, or less where Kaltura says so."""
    if minted.expires_at is None or minted.expires_at <= asked_at:
        return LIFETIME_SECONDS
    return min(LIFETIME_SECONDS, minted.expires_at - asked_at)


def _look_at(minting: asyncio.Task[SecretStr]) -> None:
    """Nobody may be waiting for it; asyncio would warn of an error that was never looked at."""
    if not minting.cancelled():
        minting.exception()
