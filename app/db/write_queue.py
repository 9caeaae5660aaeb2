"""A queue of writes: how many run at the same time, and which run one after the other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection


class WriteQueue:
    """Runs at most `at_once` blocks at the same time; the others wait in order of arrival.

    Blocks with a key in common run one after the other. A block that is `alone` runs while no
    other does.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._free = asyncio.Semaphore(at_once)
        self._alone = asyncio.Lock()
        self._last: dict[str, asyncio.Future[None]] = {}
        """For each key of a block that waits or runs, the end of the last block with that key."""

    @contextlib.asynccontextmanager
    async def turn(self, keys: Collection[str] = (), *, alone: bool = False) -> AsyncIterator[None]:
        """Run the block when its turn comes; turns come in the order of the calls."""
        if self._at_once == 1:
            keys = ()  # one at a time is in order already
        over = asyncio.get_running_loop().create_future()
        before = {self._last[key] for key in keys if key in self._last}
        self._last.update(dict.fromkeys(keys, over))
        try:
            if before:
                await asyncio.wait(before)
            async with self._all() if alone else self._free:
                yield
        finally:
            over.set_result(None)
            for key in keys:
                if self._last.get(key) is over:
                    del self._last[key]

    @contextlib.asynccontextmanager
    async def _all(self) -> AsyncIterator[None]:
        async with self._alone, contextlib.AsyncExitStack() as taken:
            for _ in range(self._at_once):
                await taken.enter_async_context(self._free)
            yield
