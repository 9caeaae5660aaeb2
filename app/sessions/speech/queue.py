"""One session's speech: first in, first out, each text once, and nothing more after Stop."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog

from app.audit.model import OK, UNKNOWN
from app.kaltura.client import Recording
from app.kaltura.contract import TurnId
from app.problems import Problem, SessionEnded
from app.sessions.clock import Clocks, Sleep
from app.sessions.error_mapping import UnwantedCall
from app.sessions.speech.backlog import SpeechBacklog
from app.sessions.speech.chunks import (
    InParts,
    Say,
    answer,
    pause_before_next_try,
    take_fitting,
)
from app.sessions.speech.interruption import Interrupt, Interrupter
from app.sessions.speech.playback import Playback
from app.sessions.speech.registry import UtteranceRegistry
from app.sessions.speech.utterances import SpeechChunk, Utterance, UtteranceState

MAX_OPEN_PIECES: Final = 2
"""Pieces of a text that is still being written which may wait; its writer waits with the next."""

log = structlog.get_logger(__name__)


class SpeechQueue:
    """Sends pieces upstream one after the other, so that a few seconds are always ahead."""

    def __init__(
        self,
        *,
        say: Say,
        interrupt: Interrupt,
        max_chunk_length: Callable[[], int],
        max_text_length: int,
        utterances: UtteranceRegistry,
        clocks: Clocks,
    ) -> None:
        self._say = say
        self._max_chunk_length = max_chunk_length
        self._utterances = utterances
        self._clocks = clocks
        self._monotonic = clocks.monotonic
        self._line = SpeechBacklog(max_text_length)
        self._playback = Playback()
        self._interrupter = Interrupter(interrupt, clocks, on_through=self._go_on)
        self._not_before = -math.inf
        self._wake = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._over: str | None = None

    @asynccontextmanager
    async def in_order(self) -> AsyncIterator[int]:
        """One caller at a time, first come first served; gives what `put` wants to know.

        Whatever is asked about a text before it may be said is asked in here, so that no text
        overtakes another.
        """
        arrived = self._interrupter.count
        async with self._line.turnstile(self._seconds_to_room()):
            yield arrived

    def require_room(self, turn_id: TurnId, text: str, recording: Recording | None = None) -> None:
        """Raises `QueueFull` when there is none for this text or recording."""
        utterance = self._utterances.unfinished(turn_id)
        self._line.require_room(text, recording, utterance, self._seconds_to_room())

    def begin(self, turn_id: TurnId, text: str) -> Utterance:
        """The utterance of this name, with this text.

        A turn that gets more text stays one utterance until its last piece; then its name is free.
        """
        utterance = self._utterances.unfinished(turn_id)
        if utterance is None:
            return self._utterances.new(turn_id, text)
        self._utterances.add(utterance, text)
        return utterance

    def put(self, utterance: Utterance, chunks: list[SpeechChunk], arrived: int) -> bool:
        """Line up pieces of an utterance; whether they are first, and go upstream at once.

        What arrived before a Stop that was meanwhile is not said.
        """
        if arrived != self._interrupter.count or self._over:
            self._utterances.interrupted(utterance, self._over)
        if utterance.over:
            return False
        utterance.closed = not utterance.open and any(chunk.final for chunk in chunks)
        is_first = self._line.is_empty and self._playback.has_room(self._monotonic())
        utterance.chunks.extend(chunks)
        self._line.join(utterance)
        self._go_on()
        return is_first

    def add(self, utterance: Utterance, chunk: SpeechChunk, arrived: int) -> None:
        """A piece more of an open utterance."""
        if utterance.over:
            answer(chunk, outcome=UtteranceState.INTERRUPTED)
            return
        self._utterances.add(utterance, chunk.text)
        self.put(utterance, [chunk], arrived)

    async def first_tried(self, utterance: Utterance) -> None:
        """Wait until the first piece of an utterance was tried, if nothing is before it."""
        while not utterance.over and not utterance.tried:
            if self._line.first is not utterance or not self._playback.has_room(self._monotonic()):
                return
            utterance.drained.clear()
            await utterance.drained.wait()

    async def room_for_more(self, utterance: Utterance) -> bool:
        """Wait until the writer of an open utterance may add to it; False when it is over."""
        while not utterance.over and len(utterance.chunks) >= MAX_OPEN_PIECES:
            utterance.drained.clear()
            await utterance.drained.wait()
        return not utterance.over

    def finish(self, utterance: Utterance) -> None:
        """An open utterance gets no more text."""
        utterance.open, utterance.closed = False, True
        if utterance.chunks:
            utterance.chunks[-1].final = True
        self._go_on()

    async def stop(self, interrupt: Interrupt) -> None:
        """Nothing that was asked for so far is said any more; raises a `Problem`."""
        self._drop_waiting(None)
        async with self._interrupter.stopping(interrupt) as stop:
            stop.more = len(self._playback) - 1
            for utterance in self._playback.clear():
                self._utterances.interrupted(utterance)

    def heard(self, turn_id: TurnId, *, begins: bool) -> None:
        """A player heard an utterance begin or end; what it hears after Stop is stopped again."""
        utterance, now = self._utterances.get(turn_id), self._monotonic()
        if utterance is None:
            return
        if begins and utterance.receipt.state == UtteranceState.INTERRUPTED:
            if not len(self._playback) and not self._over:
                self._interrupter.goes_on()
            return
        told = self._playback.heard_begin if begins else self._playback.heard_end
        for each in told(utterance, now):
            self._utterances.speaks(each, 0)
            self._utterances.done(each)
        self._go_on()

    @property
    def is_over(self) -> bool:
        """Whether its session is."""
        return self._over is not None

    def close(self, reason: str) -> None:
        """The session is over, and so is everything that was to be said in it."""
        self._over = self._over or reason
        self._interrupter.count += 1
        self._drop_waiting(reason)
        for utterance in self._playback.clear():
            self._utterances.interrupted(utterance, reason)
        self._wake.set()

    def __len__(self) -> int:
        return len(self._line)

    async def settle(self) -> None:
        """Break off what is under way, at the end of the process."""
        self._interrupter.cancel()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])

    def _go_on(self) -> None:
        self._wake.set()
        if (self._pump is None or self._pump.done()) and not self._over:
            self._pump = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._over:
            self._wake.clear()
            self._settle_up()
            if (utterance := self._next()) is not None:
                await self._send(utterance)
            elif self._line.is_empty and not len(self._playback):
                return
            else:
                await self._until_something_happens()

    def _settle_up(self) -> None:
        """Note what has begun, what is over by now, and who waits no more."""
        for utterance in self._line.served():
            self._utterances.done(utterance)
        now = self._monotonic()
        while (sound := self._playback.finished(now)) is not None:
            self._utterances.speaks(sound.utterance, now - sound.begins)
            self._utterances.done(sound.utterance)
        if (sound := self._playback.speaking(now)) is not None:
            self._utterances.speaks(sound.utterance, now - sound.begins)

    def _next(self) -> Utterance | None:
        """Whose piece goes upstream now."""
        first = self._line.first
        if (
            first is None
            or self._interrupter.is_busy
            or not self._playback.has_room(self._monotonic())
        ):
            return None
        if self._monotonic() < self._not_before or not first.chunks:
            return None
        return first

    async def _until_something_happens(self) -> None:
        now = self._monotonic()
        moments = [self._not_before, now + self._playback.seconds_to_room(now)]
        moments = [moment for moment in moments if moment > now]
        if (change := self._playback.next_change()) is not None:
            moments.append(max(change, now))
        await _woken(self._wake, self._clocks.sleep, min(moments) - now if moments else None)

    async def _send(self, utterance: Utterance) -> None:
        """In the context of the call that brought it, so that the log and the record name that."""
        chunk = take_fitting(utterance, self._max_chunk_length())
        trying = asyncio.create_task(self._try(utterance, chunk), context=chunk.context)
        try:
            await trying
        finally:
            trying.cancel()
            utterance.tried += 1
            utterance.drained.set()

    async def _try(self, utterance: Utterance, chunk: SpeechChunk) -> None:
        count = self._interrupter.count

        def is_wanted() -> bool:
            return count == self._interrupter.count

        try:
            seconds = await self._say(utterance, chunk, is_wanted)
        except InParts:
            utterance.chunks.appendleft(chunk)
        except UnwantedCall:
            self._answer(chunk, outcome=UtteranceState.INTERRUPTED)
        except Problem as problem:
            pause = pause_before_next_try(chunk, problem)
            if pause is None or not is_wanted():
                self._break_off(utterance, problem)
                self._answer(chunk, problem, outcome=problem.name)
            else:
                chunk.tries += 1
                utterance.chunks.appendleft(chunk)
                self._not_before = self._monotonic() + pause
        except Exception as error:
            self._break_off(utterance, None)
            self._answer(chunk, error, outcome=UNKNOWN)
            log.exception("bug")
        else:
            utterance.turns += chunk.final
            self._playback.add(utterance, chunk.text, seconds, self._monotonic())
            self._answer(chunk)

    def _answer(
        self, chunk: SpeechChunk, error: Exception | None = None, *, outcome: str = OK
    ) -> None:
        self._settle_up()
        answer(chunk, error, outcome=outcome)

    def _break_off(self, utterance: Utterance, problem: Problem | None) -> None:
        """What is left of an utterance that failed is not said: it would make no sense."""
        self._drop(utterance, problem.name if problem else UNKNOWN)
        utterance.problem = problem
        if isinstance(problem, SessionEnded):
            self._utterances.interrupted(utterance, problem.name)
            self.close(problem.name)
        else:
            self._utterances.failed(utterance, problem.name if problem else "bug")

    def _drop_waiting(self, reason: str | None) -> None:
        for utterance in self._line.dissolve():
            self._drop(utterance, UtteranceState.INTERRUPTED)
            self._utterances.interrupted(utterance, reason)

    def _drop(self, utterance: Utterance, outcome: str) -> None:
        for chunk in utterance.chunks:
            answer(chunk, outcome=outcome)
        utterance.chunks.clear()
        utterance.open, utterance.closed = False, True

    def _seconds_to_room(self) -> float:
        return self._playback.seconds_to_room(self._monotonic())


async def _woken(event: asyncio.Event, sleep: Sleep, seconds: float | None) -> None:
    """Wait until the event is set, or so many seconds are over."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait())]
    if seconds is not None:
        tasks.append(asyncio.ensure_future(sleep(seconds)))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
