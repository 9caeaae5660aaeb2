"""The pictures of the offered avatars, fetched once and kept for a while."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.kaltura.catalog import Picture, PictureClient
from app.kaltura.errors import KalturaError
from app.problems import ControlNotAllowed, KalturaFailed
from app.sessions.catalog.catalog import Catalog
from app.sessions.catalog.offer import OfferedItem

KEPT_SECONDS: Final = 600
"""The time for which a picture is not fetched again."""

PAUSE_SECONDS: Final = 60
"""The time after which a picture that could not be fetched is tried again."""

WAIT_SECONDS: Final = 5.0
"""The longest that a visitor waits for the first picture of an avatar."""

MAX_KEPT_BYTES: Final = 32 << 20
"""The most that all pictures take together; those not asked for longest are forgotten first."""

ENTRY_BYTES: Final = 1024
"""Bytes that an entry counts besides its picture, so that those without one are bounded."""

AT_ONCE: Final = 8
"""The most pictures that are fetched at the same time."""


@dataclass(frozen=True)
class _Kept:
    """The last picture of an avatar, if there is any, and until when it need not be fetched."""

    picture: Picture | None
    until: float

    @property
    def weight(self) -> int:
        return ENTRY_BYTES + (0 if self.picture is None else len(self.picture.content))


class Thumbnails:
    """Keeps pictures, each fetched once for all callers.

    A caller waits only for an avatar's first picture. While it is fetched again, and when that
    fails, the old picture is used.
    """

    def __init__(
        self,
        catalog: Catalog,
        client: PictureClient,
        monotonic: Callable[[], float],
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._catalog = catalog
        self._client = client
        self._monotonic = monotonic
        self._wait_seconds = wait_seconds
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._kept_bytes = 0
        self._fetching: dict[str, asyncio.Task[Picture | None]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    def has(self, avatar: OfferedItem) -> bool:
        """Whether an avatar has a picture that the broker may fetch."""
        return avatar.picture_url is not None and self._client.may_fetch(avatar.picture_url)

    async def find(self, avatar_id: str) -> Picture:
        """The picture of an avatar.

        Raises `ControlNotAllowed` for an avatar that is not offered, and `KalturaFailed` where
        there is no picture that can be shown.
        """
        avatar = (await self._catalog.offer()).avatars.get(avatar_id)
        if avatar is None:
            raise ControlNotAllowed("avatarId: this avatar is not offered here.", field="avatarId")
        url = avatar.picture_url
        picture = None if url is None else await self._current(avatar_id, url)
        if picture is None:
            raise KalturaFailed("Kaltura has no picture of this avatar that can be shown.")
        return picture

    async def aclose(self) -> None:
        """Stop fetching."""
        fetching = list(self._fetching.values())
        for each in fetching:
            each.cancel()
        await asyncio.gather(*fetching, return_exceptions=True)

    async def _current(self, avatar_id: str, url: str) -> Picture | None:
        kept = self._kept.get(avatar_id)
        if kept is not None:
            self._kept.move_to_end(avatar_id)
            if self._monotonic() < kept.until:
                return kept.picture
        fetching = self._fetching_of(avatar_id, url)
        if kept is not None and kept.picture is not None:
            return kept.picture
        done, _ = await asyncio.wait({fetching}, timeout=self._wait_seconds)
        return fetching.result() if done else None

    def _fetching_of(self, avatar_id: str, url: str) -> asyncio.Task[Picture | None]:
        fetching = self._fetching.get(avatar_id)
        if fetching is None:
            fetching = asyncio.create_task(self._fetch(avatar_id, url))
            self._fetching[avatar_id] = fetching
            fetching.add_done_callback(lambda _: self._fetching.pop(avatar_id))
        return fetching

    async def _fetch(self, avatar_id: str, url: str) -> Picture | None:
        kept = self._kept.get(avatar_id)
        picture, pause = None if kept is None else kept.picture, PAUSE_SECONDS
        with contextlib.suppress(KalturaError):  # the failure is in the log
            async with self._places:
                picture, pause = await self._client.fetch(url), KEPT_SECONDS
        self._keep(avatar_id, _Kept(picture, self._monotonic() + pause))
        return picture

    def _keep(self, avatar_id: str, kept: _Kept) -> None:
        self._forget(avatar_id)
        self._kept[avatar_id] = kept
        self._kept_bytes += kept.weight
        while self._kept_bytes > MAX_KEPT_BYTES:
            self._forget(next(iter(self._kept)))

    def _forget(self, avatar_id: str) -> None:
        kept = self._kept.pop(avatar_id, None)
        self._kept_bytes -= 0 if kept is None else kept.weight
