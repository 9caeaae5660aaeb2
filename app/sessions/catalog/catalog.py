"""The current offer of avatars and voices: read from Kaltura's catalog, and kept for a while."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from app.config.settings import Settings
from app.kaltura.catalog import CatalogClient
from app.kaltura.contract import CreateRequest, ItemType
from app.kaltura.errors import KalturaError
from app.sessions.catalog.offer import Offer, offer_of
from app.sessions.lifecycle.options import SessionOptions, create_request

FRESH_SECONDS: Final = 600
"""The time for which the catalog is not read again."""

PAUSE_SECONDS: Final = 60
"""The time after which a catalog that could not be read is tried again."""

READ_SECONDS: Final = 30
"""The longest that reading all pages may take."""

WAIT_SECONDS: Final = 3.0
"""The longest that a visitor waits for the catalog, and then gets the last known offer."""


async def read_offer(settings: Settings, client: CatalogClient) -> Offer:
    """Read the whole catalog once; raises a `KalturaError` or `TimeoutError`."""
    async with asyncio.timeout(READ_SECONDS):
        visuals = await client.items(ItemType.VISUAL)
        return offer_of(settings, visuals, await client.items(ItemType.VOICE))


class Catalog:
    """The offer to visitors; read at most every `FRESH_SECONDS`, once for all callers.

    While it can't be read, the last offer stays; before the first, each id is its own name.
    """

    def __init__(
        self,
        settings: Settings,
        client: CatalogClient,
        monotonic: Callable[[], float],
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._settings = settings
        self._client = client
        self._monotonic = monotonic
        self._wait_seconds = wait_seconds
        self._allowed = offer_of(settings)
        self._offer = self._allowed
        self._read_again_at = 0.0
        self._reading: asyncio.Task[None] | None = None
        self._is_slow = False
        """Whether a caller has waited in vain for the read under way; then no other one waits."""

    async def offer(self) -> Offer:
        """The offer, no older than `FRESH_SECONDS` unless Kaltura fails or is slow."""
        if self._reading is None and self._monotonic() >= self._read_again_at:
            self._reading, self._is_slow = asyncio.create_task(self._read()), False
        if self._reading is not None and not self._is_slow:
            _, late = await asyncio.wait({self._reading}, timeout=self._wait_seconds)
            self._is_slow = bool(late)
        return self._offer

    async def create_request(self, options: SessionOptions) -> CreateRequest:
        """The create request for `options`; raises `ControlNotAllowed` for what is not offered.

        Kaltura's catalog is looked at only where the settings do not decide.
        """
        is_allowed = options.avatar_id in {None, *self._allowed.avatars} and options.voice_id in {
            None,
            *self._allowed.voices,
        }
        decides = is_allowed or self._settings.avatar_catalog_tag is None
        offer = self._allowed if decides else await self.offer()
        return create_request(self._settings, options, offer)

    async def aclose(self) -> None:
        """Stop reading."""
        reading = self._reading
        if reading is not None:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def _read(self) -> None:
        pause = PAUSE_SECONDS
        try:
            with contextlib.suppress(KalturaError, TimeoutError):  # each call is in the log
                self._offer = await read_offer(self._settings, self._client)
                pause = FRESH_SECONDS
        finally:
            self._read_again_at = self._monotonic() + pause
            self._reading = None
