"""Waiting for a moment, or for something to happen before it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Sleep = Callable[[float], Awaitable[None]]
"""Waits for so many seconds of a clock that never jumps."""


async def woken(event: asyncio.Event, sleep: Sleep, seconds: float | None) -> None:
    """Wait until the event is set, or so many seconds are over."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait())]
    if seconds is not None:
        tasks.append(asyncio.ensure_future(sleep(seconds)))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
