"""The order of writes: how many run at a time, and which of them run one after the other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection


class Turns:
    """Lets at most `at_once` blocks run at the same time, and the others wait in line.

    Of blocks with a key in common each begins when the one before it is over. A block that is
    `alone` runs when no other does.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._free = asyncio.Semaphore(at_once)
        self._alone = asyncio.Lock()
        self._last: dict[str, asyncio.Future[None]] = {}
        """The end of the last block that was asked for with each key; the keys are of blocks that
        wait or run."""

    @contextlib.asynccontextmanager
    async def turn(self, keys: Collection[str] = (), *, alone: bool = False) -> AsyncIterator[None]:
        """Run the block in its turn; its place in line is that of the call."""
        if self._at_once == 1:
            keys = ()  # the order of all is the order of each
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
