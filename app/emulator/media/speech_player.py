"""The playback of one avatar's speech: a queue of utterances, and a playhead in the current one.

The playhead counts samples, and moves only while a viewer is connected; without one, utterances
stay in the queue. Audio and video use the same playhead, so that mouth and sound stay in step.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np

from app.emulator.speech.visemes import REST, SAMPLE_RATE, SAMPLES_PER_SHAPE, MouthShape, Samples
from app.emulator.speech.voice import Speech, Voice, sentences

FADE: Final = SAMPLE_RATE // 50
"""The length of the fade-out after an interrupt, in samples: 20 ms, so that there is no click."""


class QueueFullError(Exception):
    """Raised for an utterance beyond the length of the queue."""


class TextToSpeech(Protocol):
    """Synthesises speech from text."""

    async def synthesise(self, text: str, voice: Voice) -> Speech:
        """Synthesise `text` with a voice."""


class SpeechPlayer:
    """The queue and the playhead of one avatar; only `read` moves the playhead."""

    def __init__(self, tts: TextToSpeech, voice: Voice, max_queued: int) -> None:
        self._tts = tts
        self._voice = voice
        self._max_queued = max_queued
        self._queue: deque[Iterator[str | Speech]] = deque()
        self._utterance: Iterator[str | Speech] | None = None
        self._speech: Speech | None = None
        self._playhead = 0
        self._fading = np.zeros(0, np.int16)

    @property
    def queued(self) -> int:
        """How many utterances wait behind the current one."""
        return len(self._queue)

    @property
    def speaking(self) -> bool:
        """Whether an utterance is being said."""
        return self._utterance is not None

    @property
    def mouth(self) -> MouthShape:
        """The shape of the mouth at the playhead."""
        if self._speech is None:
            return REST
        row = min(self._playhead // SAMPLES_PER_SHAPE, len(self._speech.mouths) - 1)
        return MouthShape(*self._speech.mouths[row].tolist())

    def say_text(self, text: str) -> None:
        """Queue a text; raises `QueueFullError`."""
        self._enqueue(sentences(text))

    def say_speech(self, speech: Speech) -> None:
        """Queue a recording; raises `QueueFullError`."""
        self._enqueue(iter([speech]))

    def interrupt(self, *, keep_queue: bool = False) -> None:
        """Stop the current utterance with a fade of 20 ms; clear the queue unless `keep_queue`."""
        if self._speech is not None:
            rest = self._speech.samples[self._playhead : self._playhead + FADE]
            self._fading = (rest * np.linspace(1.0, 0.0, len(rest))).astype(np.int16)
        self._utterance = self._speech = None
        if not keep_queue:
            self._queue.clear()

    async def read(self, count: int) -> Samples:
        """Return the next `count` samples and move the playhead past them."""
        sound = np.zeros(count, np.int16)
        faded = self._fading[:count]
        sound[: len(faded)], self._fading = faded, self._fading[count:]
        filled = len(faded)
        while filled < count and (speech := await self._current()) is not None:
            part = speech.samples[self._playhead : self._playhead + count - filled]
            sound[filled : filled + len(part)] = part
            filled += len(part)
            self._playhead += len(part)
        return sound

    def _enqueue(self, utterance: Iterator[str | Speech]) -> None:
        if len(self._queue) >= self._max_queued:
            raise QueueFullError
        self._queue.append(utterance)

    async def _current(self) -> Speech | None:
        """The speech to read from: the current one, else the next; None when all is said."""
        while self._speech is None or self._playhead >= len(self._speech.samples):
            self._speech = None
            if self._utterance is None:
                if not self._queue:
                    return None
                self._utterance = self._queue.popleft()
            utterance = self._utterance
            piece = next(utterance, None)
            if piece is None:
                self._utterance = None
                continue
            speech = piece if isinstance(piece, Speech) else await self._synthesise(piece)
            # An interrupt may have arrived while the sentence was synthesised.
            if self._utterance is utterance:
                self._speech, self._playhead = speech, 0
        return self._speech

    async def _synthesise(self, text: str) -> Speech:
        return await self._tts.synthesise(text, self._voice)
