"""The utterances of one session that wait to be sent, and the bounds on them."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from app.kaltura.client import Recording
from app.problems import QueueFull
from app.sessions.speech.utterances import SpeechChunk, Utterance

MAX_QUEUED: Final = 50
"""Utterances of one session that may wait."""

MAX_QUEUED_CHARACTERS: Final = 50_000
"""Characters of one session that may wait; twice the longest allowed text if that is more."""

MAX_QUEUED_BYTES: Final = 12 * 1024 * 1024
"""Bytes of recordings of one session that may wait; a single recording may always wait."""

MAX_RETRY_SECONDS: Final = 60
"""Upper bound in seconds of the `Retry-After` of a refusal."""


@dataclass(slots=True)
class WaitingCount:
    """The number of utterances that wait, of all sessions."""

    number: int = 0


class SpeechBacklog:
    """The waiting utterances of one session, in order of arrival; all are counted in `count`.

    `seconds_to_room`, which methods take, becomes the `Retry-After` of a refusal.
    """

    def __init__(self, max_text_length: int, count: WaitingCount) -> None:
        self._count = count
        self._max_characters = max(MAX_QUEUED_CHARACTERS, 2 * max_text_length)
        self._waiting: list[Utterance] = []
        self._order_lock = asyncio.Lock()
        self._callers = 0

    @property
    def is_empty(self) -> bool:
        """Whether no utterance waits."""
        return not self._waiting

    @property
    def is_expecting(self) -> bool:
        """Whether a caller is about to add an utterance."""
        return self._callers > 0

    @property
    def first(self) -> Utterance | None:
        """The utterance that is to be sent next; None when none waits."""
        return self._waiting[0] if self._waiting else None

    def __len__(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def in_order(self, seconds_to_room: float) -> AsyncIterator[None]:
        """Run the block for one caller at a time, in order of arrival; raises `QueueFull`."""
        if self._callers >= MAX_QUEUED:
            raise _full(seconds_to_room)
        self._callers += 1
        try:
            async with self._order_lock:
                yield
        finally:
            self._callers -= 1

    def add(self, utterance: Utterance) -> None:
        """Add an utterance at the end; one that waits already keeps its place."""
        if utterance not in self._waiting:
            self._waiting.append(utterance)
            self._count.number += 1

    def pop_finished(self) -> Iterator[Utterance]:
        """Remove and yield the utterances at the front that have no chunk left to be sent."""
        while self._waiting and not self._waiting[0].chunks and not self._waiting[0].open:
            self._count.number -= 1
            yield self._waiting.pop(0)

    def clear(self) -> list[Utterance]:
        """Remove and return every utterance."""
        waiting, self._waiting = self._waiting, []
        self._count.number -= len(waiting)
        return waiting

    def require_room(
        self,
        text: str,
        recording: Recording | None,
        utterance: Utterance | None,
        seconds_to_room: float,
    ) -> None:
        """Raise `QueueFull` when there is no room for a text or recording.

        `utterance` is the waiting utterance that the text is added to; None for a new one.
        """
        characters = sum(len(chunk.text) for chunk in self._chunks())
        size = sum(len(chunk.recording.audio) for chunk in self._chunks() if chunk.recording)
        too_many = utterance is None and len(self._waiting) >= MAX_QUEUED
        too_many_characters = characters and characters + len(text) > self._max_characters
        too_many_bytes = recording and size and size + len(recording.audio) > MAX_QUEUED_BYTES
        if too_many or too_many_characters or too_many_bytes:
            raise _full(seconds_to_room)

    def _chunks(self) -> Iterator[SpeechChunk]:
        return (chunk for utterance in self._waiting for chunk in utterance.chunks)


def _full(seconds: float) -> QueueFull:
    return QueueFull(retry_after=max(1, min(MAX_RETRY_SECONDS, math.ceil(seconds))))
