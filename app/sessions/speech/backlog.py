"""The line in which utterances wait, and how long it may be."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from app.kaltura.client import Recording
from app.problems import QueueFull
from app.sessions.speech.utterances import SpeechChunk, Utterance

MAX_QUEUED: Final = 50
"""Utterances of one session that may wait."""

MAX_QUEUED_CHARACTERS: Final = 50_000
"""Characters of one session that may wait, or twice the longest text if that is more."""

MAX_QUEUED_BYTES: Final = 12 * 1024 * 1024
"""Of recordings of one session that may wait; one may always."""

MAX_RETRY_SECONDS: Final = 60


class SpeechBacklog:
    """First come, first served; `seconds_to_room` says when to try again."""

    def __init__(self, max_text_length: int) -> None:
        self._max_characters = max(MAX_QUEUED_CHARACTERS, 2 * max_text_length)
        self._waiting: deque[Utterance] = deque()
        self._turnstile = asyncio.Lock()
        self._at_turnstile = 0

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits, and nothing is under way."""
        return not self._waiting

    @property
    def first(self) -> Utterance | None:
        """Whose turn it is."""
        return self._waiting[0] if self._waiting else None

    def __len__(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def turnstile(self, seconds_to_room: float) -> AsyncIterator[None]:
        """One at a time, in the order in which they came."""
        if self._at_turnstile >= MAX_QUEUED:
            raise _full(seconds_to_room)
        self._at_turnstile += 1
        try:
            async with self._turnstile:
                yield
        finally:
            self._at_turnstile -= 1

    def join(self, utterance: Utterance) -> None:
        """Wait; one that waits already keeps its place."""
        if utterance not in self._waiting:
            self._waiting.append(utterance)

    def served(self) -> Iterator[Utterance]:
        """Those at the front that have nothing left to be sent, who leave."""
        while self._waiting and not self._waiting[0].chunks and not self._waiting[0].open:
            yield self._waiting.popleft()

    def dissolve(self) -> list[Utterance]:
        """Everyone, who leaves."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    def require_room(
        self,
        text: str,
        recording: Recording | None,
        utterance: Utterance | None,
        seconds_to_room: float,
    ) -> None:
        """Raises `QueueFull` when there is none; `utterance` is who waits already."""
        characters = sum(len(chunk.text) for chunk in self._chunks())
        size = sum(len(chunk.recording.audio) for chunk in self._chunks() if chunk.recording)
        is_long = utterance is None and len(self._waiting) >= MAX_QUEUED
        is_wordy = characters and characters + len(text) > self._max_characters
        is_large = recording and size and size + len(recording.audio) > MAX_QUEUED_BYTES
        if is_long or is_wordy or is_large:
            raise _full(seconds_to_room)

    def _chunks(self) -> Iterator[SpeechChunk]:
        return (chunk for utterance in self._waiting for chunk in utterance.chunks)


def _full(seconds: float) -> QueueFull:
    return QueueFull(retry_after=max(1, min(MAX_RETRY_SECONDS, math.ceil(seconds))))
