"""Says a text while it is being written, as by a language model."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from app.kaltura.contract import TurnId
from app.problems import InvalidRequest, NothingToSay, Problem
from app.sessions.speech.queue import SpeechQueue
from app.sessions.speech.text.segmentation import WINDOW, SentenceBuffer
from app.sessions.speech.text.validation import TextSanitizer, is_blank, too_long
from app.sessions.speech.utterances import Receipt, SpeechChunk, Utterance

PAUSE_SECONDS: Final = 1.5
"""Seconds without text after which a sentence that seems whole is said."""

STALL_SECONDS: Final = 30.0
"""Seconds without text after which the text is refused as stalled; what has come is said."""


class MakeChunk(Protocol):
    """Function that makes a chunk of a sentence, if the sentence may be said."""

    async def __call__(self, text: str, *, is_final: bool) -> SpeechChunk:
        """The chunk to be said; raises `SpeechRefused`."""


class StreamedText:
    """Reads one text that is being written, and queues each sentence once it is complete.

    When the writer breaks off, the text that has arrived is said and its turn is closed. A text
    that is too long is said up to the last sentence that fits.
    """

    def __init__(
        self,
        *,
        queue: SpeechQueue,
        turn_id: TurnId,
        make_chunk: MakeChunk,
        chunk_length: int,
        max_length: int,
    ) -> None:
        self._queue = queue
        self._turn_id = turn_id
        self._make_chunk = make_chunk
        self._max_length = max_length
        self._sanitizer = TextSanitizer()
        self._buffer = SentenceBuffer(min(chunk_length, max_length))
        self._length = 0
        self._stop_count = 0

    async def read(self, texts: AsyncIterator[str]) -> Receipt:
        """Read the text and queue it to be said; raises the `Problem` that ended it."""
        self._stop_count = self._queue.stop_count
        async with self._queue.in_order():
            self._queue.require_room(self._turn_id, "")
            utterance = self._queue.begin(self._turn_id, "")
            utterance.open = True
            self._queue.put(utterance, [], self._stop_count)
        try:
            async for text in _texts_and_pauses(texts):
                if utterance.over:
                    break
                await (
                    self._handle_pause(utterance)
                    if text is None
                    else self._add_text(utterance, text)
                )
            self._sanitizer.end()
        except (Problem, asyncio.CancelledError) as failure:
            if isinstance(failure, Problem):
                utterance.problem = failure
            if not isinstance(failure, InvalidRequest):
                self._buffer.rest()  # drop text that follows a failed part, or has no caller
            raise
        finally:
            await self._close(utterance)
        await self._queue.first_tried(utterance)
        if utterance.problem is not None:
            raise utterance.problem
        if self._length == 0:
            raise NothingToSay("text: there is nothing to say.")
        return utterance.receipt

    async def _add_text(self, utterance: Utterance, text: str) -> None:
        text = self._sanitizer.sanitize(text)
        if not self._length:
            text = "" if is_blank(text) else text.lstrip()
        room = self._max_length - self._length
        fits, more = text[:room], text[room:]
        self._length += len(fits)
        for start in range(0, len(fits), WINDOW):
            if start:
                await asyncio.sleep(0)  # lets other tasks run between the parts of a long text
            for sentence in self._buffer.feed(fits[start : start + WINDOW]):
                await self._say(utterance, sentence, is_final=False)
        if not is_blank(more):
            self._buffer.break_off(more)
            raise too_long(self._max_length)

    async def _handle_pause(self, utterance: Utterance) -> None:
        """Say a sentence that seems whole, while the writer pauses."""
        if self._buffer.seems_complete:
            await self._say(utterance, self._buffer.rest(), is_final=True)

    async def _close(self, utterance: Utterance) -> None:
        try:
            rest = self._buffer.rest()
            if not utterance.over:
                await self._say(utterance, rest, is_final=True)
        finally:
            self._queue.finish(utterance)

    async def _say(self, utterance: Utterance, text: str, *, is_final: bool) -> None:
        if is_blank(text) or not await self._queue.room_for_more(utterance):
            return
        self._queue.add(
            utterance, await self._make_chunk(text, is_final=is_final), self._stop_count
        )


async def _texts_and_pauses(texts: AsyncIterator[str]) -> AsyncIterator[str | None]:
    """Yield the texts, and None each time that no text has come for `PAUSE_SECONDS`."""
    next_text = asyncio.ensure_future(anext(texts, None))
    seconds_waited = 0.0
    try:
        while True:
            done, _ = await asyncio.wait({next_text}, timeout=PAUSE_SECONDS)
            if not done:
                seconds_waited += PAUSE_SECONDS
                if seconds_waited >= STALL_SECONDS:
                    raise InvalidRequest("The text does not go on; what came is said.", status=408)
                yield None
                continue
            text = next_text.result()
            if text is None:
                return
            yield text
            seconds_waited = 0.0
            next_text = asyncio.ensure_future(anext(texts, None))
    finally:
        next_text.cancel()
