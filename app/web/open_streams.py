"""How many answers that last an operator has open."""

import contextlib
from collections.abc import Iterator
from typing import Final

from app.problems import RateLimited

MAX_STREAMS: Final = 16
"""Followed and downloaded at the same time: each costs a connection and reads the record."""


class Streams:
    """How many there are."""

    def __init__(self) -> None:
        self._open = 0

    @contextlib.contextmanager
    def one_more(self) -> Iterator[None]:
        """As long as the block; raises `RateLimited` when there are enough."""
        if self._open >= MAX_STREAMS:
            raise RateLimited(
                "The record is followed or downloaded as often as it may be at once.",
                retry_after=5,
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
