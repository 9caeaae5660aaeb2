"""One look at the line for all who wait in it, however many they are."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.problems import Problem


@dataclass(frozen=True)
class Line:
    """The line as it was: positions, and seconds left of turns, by ticket id.

    `sessions` is the number of open sessions at that time.
    """

    places: dict[str, tuple[int, float | None]]
    sessions: int


class LineLook:
    """Looks at the line once for all who ask meanwhile.

    Each change concerns all who wait. If each looked for itself, the locks would be held for longer
    than from one change to the next when a few hundred wait.
    """

    def __init__(self, look: Callable[[], Awaitable[Line]]) -> None:
        self._look = look
        self._looking = asyncio.Lock()
        self._found: Line | Problem | None = None
        self._began_at = 0.0

    async def since(self, at: float) -> Line:
        """The line as it was at a time of the event loop, or later; raises what the look raised."""
        async with self._looking:
            if self._found is None or self._began_at < at:
                began_at = asyncio.get_running_loop().time()
                try:
                    self._found = await self._look()
                except Problem as problem:
                    self._found = problem
                self._began_at = began_at
            found = self._found
        if isinstance(found, Problem):
            raise found
        return found
