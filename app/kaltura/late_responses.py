"""Answers that come too late for whoever asked, and still must not be missed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from app.kaltura import errors
from app.kaltura.contract import Operation, WireModel

LATE_SECONDS: Final = 60
"""How long an answer is awaited after the time allowed for it."""

Answer = TypeVar("Answer", bound=WireModel)


class LateResponses(Generic[Answer]):
    """Awaits answers past `in_time_seconds`; whoever asks bounds how many there can be."""

    def __init__(self, in_time_seconds: float) -> None:
        self._in_time_seconds = in_time_seconds
        self._awaited: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many late answers are awaited or seen to."""
        return len(self._awaited)

    async def in_time(
        self,
        operation: Operation,
        exchange: Coroutine[Any, Any, Answer],
        see_to: Callable[[asyncio.Future[Answer]], Coroutine[Any, Any, None]],
    ) -> Answer:
        """What `exchange` returns or raises; `TimedOutError` when it takes too long.

        Then the exchange goes on, and `see_to` is called with its outcome, to be awaited. It is
        called before the error is raised.
        """
        asking = asyncio.create_task(exchange)
        try:
            done, _ = await asyncio.wait({asking}, timeout=self._in_time_seconds)
        finally:
            if not asking.done():
                self._go_on(see_to(asking))
        if not done:
            raise errors.TimedOutError(operation)
        return await asking

    async def aclose(self) -> None:
        """Stop awaiting answers."""
        for awaiting in self._awaited:
            awaiting.cancel()
        await asyncio.gather(*self._awaited, return_exceptions=True)

    def _go_on(self, seeing_to: Coroutine[Any, Any, None]) -> None:
        awaiting = asyncio.create_task(seeing_to)
        self._awaited.add(awaiting)
        awaiting.add_done_callback(self._awaited.discard)
