"""A text that is said while it is being written, as by a language model."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from app.kaltura.contract import TurnId
from app.problems import InvalidRequest, NothingToSay, Problem
from app.sessions.speech.queue import SpeechQueue
from app.sessions.speech.text.segmentation import WINDOW, Sentences
from app.sessions.speech.text.validation import Cleaner, is_blank, too_long
from app.sessions.speech.utterances import Receipt, SpeechChunk, Utterance

BREATH_SECONDS: Final = 1.5
"""When no text came for so long, what seems a whole sentence is said without the next."""

STALL_SECONDS: Final = 30.0
"""When no text came for so long, no more is waited for."""


class MakeChunk(Protocol):
    """Asks whether a sentence may be said."""

    async def __call__(self, text: str, *, is_final: bool) -> SpeechChunk:
        """The piece that may; raises `SpeechRefused`."""


class StreamedText:
    """One text on its way in: each sentence is said as soon as it is complete.

    Whatever becomes of the writer, what is there of the text is said and the turn is closed. A
    text that is too long is said up to its last sentence that fits.
    """

    def __init__(
        self,
        *,
        queue: SpeechQueue,
        turn_id: TurnId,
        sentence: MakeChunk,
        chunk_length: int,
        max_length: int,
    ) -> None:
        self._queue = queue
        self._turn_id = turn_id
        self._sentence = sentence
        self._max_length = max_length
        self._cleaner = Cleaner()
        self._sentences = Sentences(min(chunk_length, max_length))
        self._length = 0
        self._arrived = 0

    async def read(self, texts: AsyncIterator[str]) -> Receipt:
        """Say what comes; raises a `Problem` when it is refused, too long, or can't be said."""
        async with self._queue.in_order() as self._arrived:
            self._queue.require_room(self._turn_id, "")
            utterance = self._queue.begin(self._turn_id, "")
            utterance.open = True
            self._queue.put(utterance, [], self._arrived)
        try:
            async for text in _arrivals(texts):
                if utterance.over:
                    break
                await (self._breathe(utterance) if text is None else self._take(utterance, text))
            self._cleaner.end()
        except (Problem, asyncio.CancelledError) as broken_off:
            if isinstance(broken_off, Problem):
                utterance.problem = broken_off
            if not isinstance(broken_off, InvalidRequest):
                self._sentences.rest()  # what follows makes no sense, or nobody can wait for it
            raise
        finally:
            await self._close(utterance)
        await self._queue.first_tried(utterance)
        if utterance.problem is not None:
            raise utterance.problem
        if self._length == 0:
            raise NothingToSay("text: there is nothing to say.")
        return utterance.receipt

    async def _take(self, utterance: Utterance, text: str) -> None:
        text = self._cleaner.clean(text)
        if not self._length:
            text = "" if is_blank(text) else text.lstrip()
        room = self._max_length - self._length
        fits, more = text[:room], text[room:]
        self._length += len(fits)
        for start in range(0, len(fits), WINDOW):
            if start:
                await asyncio.sleep(0)  # others are served between the parts of a long text
            for sentence in self._sentences.feed(fits[start : start + WINDOW]):
                await self._say(utterance, sentence, is_final=False)
        if not is_blank(more):
            self._sentences.break_off(more)
            raise too_long(self._max_length)

    async def _breathe(self, utterance: Utterance) -> None:
        """The writer pauses: at work on something else, perhaps."""
        if self._sentences.seems_complete:
            await self._say(utterance, self._sentences.rest(), is_final=True)

    async def _close(self, utterance: Utterance) -> None:
        try:
            rest = self._sentences.rest()
            if not utterance.over:
                await self._say(utterance, rest, is_final=True)
        finally:
            self._queue.finish(utterance)

    async def _say(self, utterance: Utterance, text: str, *, is_final: bool) -> None:
        if is_blank(text) or not await self._queue.room_for_more(utterance):
            return
        self._queue.add(utterance, await self._sentence(text, is_final=is_final), self._arrived)


async def _arrivals(texts: AsyncIterator[str]) -> AsyncIterator[str | None]:
    """The texts, and None each time that the next one has not come for a while."""
    coming = asyncio.ensure_future(anext(texts, None))
    waited = 0.0
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=BREATH_SECONDS)
            if not done:
                waited += BREATH_SECONDS
                if waited >= STALL_SECONDS:
                    raise InvalidRequest("The text does not go on; what came is said.", status=408)
                yield None
                continue
            text = coming.result()
            if text is None:
                return
            yield text
            waited = 0.0
            coming = asyncio.ensure_future(anext(texts, None))
    finally:
        coming.cancel()
