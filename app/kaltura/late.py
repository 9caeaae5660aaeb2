"""Answers that come too late for whoever asked, and still must not be missed."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from app.kaltura import errors
from app.kaltura.contract import Operation, WireModel

LATE_SECONDS: Final = 60
"""So long an answer is still waited for when nobody waits for it any more."""

MAX_LATE: Final = 16
"""So many are waited for at once: each has a connection, and others need theirs."""

Answer = TypeVar("Answer", bound=WireModel)


class LateAnswers(Generic[Answer]):
    """Hands what comes too late to whoever sees to it; `in_time_seconds` is when that begins."""

    def __init__(self, in_time_seconds: float) -> None:
        self._in_time_seconds = in_time_seconds
        self._awaited: set[asyncio.Task[None]] = set()

    async def in_time(
        self,
        operation: Operation,
        exchange: Coroutine[Any, Any, Answer],
        see_to: Callable[[Answer], Awaitable[None]],
    ) -> Answer:
        """What `exchange` returns or raises; `TimedOutError` when it takes too long.

        Then it goes on, and `see_to` gets what it returns after all.
        """
        asking = asyncio.create_task(exchange)
        try:
            done, _ = await asyncio.wait({asking}, timeout=self._in_time_seconds)
        finally:
            if not asking.done():
                self._go_on(asking, see_to)
        if not done:
            raise errors.TimedOutError(operation)
        return await asking

    async def aclose(self) -> None:
        """Wait for none of them any more."""
        for awaiting in self._awaited:
            awaiting.cancel()
        await asyncio.gather(*self._awaited, return_exceptions=True)

    def _go_on(
        self, asking: asyncio.Task[Answer], see_to: Callable[[Answer], Awaitable[None]]
    ) -> None:
        if len(self._awaited) >= MAX_LATE:
            asking.cancel()
            return
        awaiting = asyncio.create_task(_see_to(asking, see_to))
        self._awaited.add(awaiting)
        awaiting.add_done_callback(self._awaited.discard)


async def _see_to(
    asking: asyncio.Task[Answer], see_to: Callable[[Answer], Awaitable[None]]
) -> None:
    try:
        answer = await asking
    except errors.KalturaError:
        return
    await see_to(answer)
