"""The dependency that gives routes a part of the application."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request


@dataclass(frozen=True)
class FromState:
    """Provides the part of `deps.State` that has this name; a dependency of FastAPI."""

    name: str

    async def __call__(self, request: Request) -> Any:
        """Return it; a coroutine, because FastAPI sends a plain function to a thread."""
        return request.scope["state"][self.name]
