"""Answers that arrive after their caller's timeout, and still must be handled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from app.kaltura import errors
from app.kaltura.contract import Operation, WireModel

LATE_SECONDS: Final = 60
"""How long an answer is awaited after its caller's timeout."""

Answer = TypeVar("Answer", bound=WireModel)


class LateResponses(Generic[Answer]):
    """Gives callers up after `timeout_seconds`, and hands the late answers to a handler.

    The number of handlers at work is not bounded here: the callers bound it.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._handlers: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many late answers are awaited or being handled."""
        return len(self._handlers)

    async def wait_for(
        self,
        operation: Operation,
        exchange: Coroutine[Any, Any, Answer],
        handle_late: Callable[[asyncio.Future[Answer]], Coroutine[Any, Any, None]],
    ) -> Answer:
        """Await `exchange`; raises `TimedOutError` when it takes longer than the timeout.

        The exchange then goes on, and `handle_late` gets its future. The handler is started before
        the error is raised, and also when the caller is cancelled.
        """
        answer = asyncio.create_task(exchange)
        try:
            done, _ = await asyncio.wait({answer}, timeout=self._timeout_seconds)
        finally:
            if not answer.done():
                self._start(handle_late(answer))
        if not done:
            raise errors.TimedOutError(operation)
        return await answer

    async def aclose(self) -> None:
        """Cancel every handler, and with it the answer that it awaits."""
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    def _start(self, handling: Coroutine[Any, Any, None]) -> None:
        handler = asyncio.create_task(handling)
        self._handlers.add(handler)
        handler.add_done_callback(self._handlers.discard)
