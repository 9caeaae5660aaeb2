"""Queues one session's speech: each chunk is sent once, in order, and not after a Stop."""

import asyncio
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog

from app.audit.model import UNKNOWN
from app.kaltura.client import Recording
from app.kaltura.contract import TurnId
from app.problems import Problem, ReplicaUnavailable, SessionEnded
from app.sessions.clock import Clocks, Timer
from app.sessions.error_mapping import UnwantedCall
from app.sessions.speech.backlog import SpeechBacklog
from app.sessions.speech.chunks import (
    ChunkTooLong,
    SayChunk,
    pause_before_next_try,
    report_outcome,
    take_next_chunk,
)
from app.sessions.speech.interruption import Interrupt, Interrupter
from app.sessions.speech.playback import Playback
from app.sessions.speech.utterance_registry import UtteranceRegistry
from app.sessions.speech.utterances import SpeechChunk, Utterance, UtteranceState

MAX_OPEN_CHUNKS: Final = 2
"""Chunks of a streamed text that may wait; further text is read only when one was sent."""

log = structlog.get_logger(__name__)


class SpeechQueue:
    """Sends chunks to Kaltura one after the other, a few seconds of speech ahead."""

    def __init__(
        self,
        *,
        say: SayChunk,
        interrupt: Interrupt,
        max_chunk_length: Callable[[], int],
        backlog: SpeechBacklog,
        utterances: UtteranceRegistry,
        clocks: Clocks,
    ) -> None:
        self._say = say
        self._max_chunk_length = max_chunk_length
        self._utterances = utterances
        self._clocks = clocks
        self._monotonic = clocks.monotonic
        self._backlog = backlog
        self._playback = Playback()
        self._interrupter = Interrupter(interrupt, clocks, on_done=self._advance)
        self._not_before = -math.inf
        self._sender_task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._timer_at = math.inf
        self._over: str | None = None
        self._is_lost = False

    @property
    def stop_count(self) -> int:
        """The number of Stops so far; `put` takes it as it was before the caller's turn."""
        return self._interrupter.count

    def in_order(self) -> AbstractAsyncContextManager[None]:
        """Run the block for one caller at a time, in order of arrival.

        Hooks are asked about a text inside the block, so that no text overtakes another. Raises
        `QueueFull`.
        """
        return self._backlog.in_order(self._seconds_to_room())

    def require_room(self, turn_id: TurnId, text: str, recording: Recording | None = None) -> None:
        """Raise `QueueFull` when there is no room for this text or recording."""
        utterance = self._utterances.unfinished(turn_id)
        self._backlog.require_room(text, recording, utterance, self._seconds_to_room())

    def begin(self, turn_id: TurnId, text: str) -> Utterance:
        """Begin an utterance with a turn id and text, or add the text to the unfinished one.

        An utterance is unfinished until its final chunk; then its turn id can be used for another.
        Raises `ReplicaUnavailable` when another process has the session by now.
        """
        if self._is_lost:
            raise ReplicaUnavailable(retry_after=1)
        utterance = self._utterances.unfinished(turn_id)
        if utterance is None:
            return self._utterances.new(turn_id, text)
        self._utterances.add_text(utterance, text)
        return utterance

    def put(self, utterance: Utterance, chunks: list[SpeechChunk], stop_count: int) -> bool:
        """Queue chunks of an utterance; return whether they are first, and are sent at once.

        When a Stop came after `stop_count` was read, the chunks are not said.
        """
        if stop_count != self._interrupter.count or self._over:
            self._utterances.mark_interrupted(utterance, self._over)
        if utterance.over:
            return False
        utterance.closed = not utterance.open and any(chunk.final for chunk in chunks)
        is_first = self._backlog.is_empty and self._playback.has_room(self._monotonic())
        utterance.chunks.extend(chunks)
        self._backlog.add(utterance)
        self._advance()
        return is_first

    def add(self, utterance: Utterance, chunk: SpeechChunk, stop_count: int) -> None:
        """Queue one more chunk of an utterance whose text is still being written."""
        if utterance.over:
            report_outcome(chunk, outcome=UtteranceState.INTERRUPTED)
            return
        self._utterances.add_text(utterance, chunk.text)
        self.put(utterance, [chunk], stop_count)

    async def first_tried(self, utterance: Utterance) -> None:
        """Wait until an utterance's first chunk was tried, unless others are before it."""
        while not utterance.over and not utterance.tried:
            if self._backlog.first is not utterance or not self._playback.has_room(
                self._monotonic()
            ):
                return
            await utterance.drained()

    async def room_for_more(self, utterance: Utterance) -> bool:
        """Wait until an open utterance may get another chunk; False when it is over."""
        while not utterance.over and len(utterance.chunks) >= MAX_OPEN_CHUNKS:
            await utterance.drained()
        return not utterance.over

    def finish(self, utterance: Utterance) -> None:
        """Close an utterance whose text was being written."""
        utterance.open, utterance.closed = False, True
        if utterance.chunks:
            utterance.chunks[-1].final = True
        self._advance()

    async def stop(self, interrupt: Interrupt) -> None:
        """Stop speech, and drop all that was queued so far; raises a `Problem`."""
        self._drop_waiting(None)
        async with self._interrupter.stopping(interrupt) as stop:
            stop.more = len(self._playback) - 1
            for utterance in self._playback.clear():
                self._utterances.mark_interrupted(utterance)

    def heard(self, turn_id: TurnId, *, begins: bool) -> None:
        """Note that a player heard an utterance begin or end; after a Stop, stop it again."""
        utterance, now = self._utterances.get(turn_id), self._monotonic()
        if utterance is None:
            return
        if begins and utterance.receipt.state == UtteranceState.INTERRUPTED:
            if not len(self._playback) and not self._over:
                self._interrupter.voice_heard()
            return
        note_heard = self._playback.heard_begin if begins else self._playback.heard_end
        for each in note_heard(utterance, now):
            self._utterances.mark_speaking(each, 0)
            self._utterances.mark_done(each)
        self._advance()

    @property
    def is_idle(self) -> bool:
        """Whether nothing plays, is being sent, waits or is about to be queued."""
        has_none = self._backlog.is_empty and not self._backlog.is_expecting
        is_quiet = has_none and not len(self._playback)
        return is_quiet and self._sender_task is None and not self._interrupter.is_busy

    @property
    def is_over(self) -> bool:
        """Whether the session has ended."""
        return self._over is not None

    def close(self, reason: str) -> None:
        """Drop all speech because the session has ended."""
        self._over = self._over or reason
        self._interrupter.count += 1
        self._drop_waiting(reason)
        for utterance in self._playback.clear():
            self._utterances.mark_interrupted(utterance, reason)
        self._stop_timer()

    def lose(self, reason: str) -> None:
        """Say nothing more, because another process has the session; what Kaltura has plays on."""
        self._is_lost = True
        self._over = self._over or reason
        self._interrupter.count += 1
        for utterance in self._backlog.clear():
            self._drop(utterance, reason)
            self._utterances.mark_failed(utterance, reason)
        for utterance in self._playback.clear():
            self._utterances.mark_done(utterance)
        self._stop_timer()

    async def settle(self) -> None:
        """Cancel the sending and the interrupts under way, at the end of the process."""
        self._interrupter.cancel()
        self._stop_timer()
        if self._sender_task is not None:
            self._sender_task.cancel()
            await asyncio.wait([self._sender_task])

    def _advance(self) -> None:
        """Send the next chunk when it may be sent now, or else set the timer for what is next."""
        if self._over or self._sender_task is not None:
            return
        self._update_states()
        utterance = self._next_utterance()
        if utterance is None:
            self._set_timer()
            return
        # In the context of the chunk's call, which the log and the record then name.
        context = utterance.chunks[0].context
        self._sender_task = asyncio.create_task(self._send(utterance), context=context)

    def _update_states(self) -> None:
        """Update the states of the utterances that have begun or are over by now."""
        for utterance in self._backlog.pop_finished():
            self._utterances.mark_done(utterance)
        now = self._monotonic()
        while (playing := self._playback.finished(now)) is not None:
            self._utterances.mark_speaking(playing.utterance, now - playing.begins)
            self._utterances.mark_done(playing.utterance)
        if (playing := self._playback.speaking(now)) is not None:
            self._utterances.mark_speaking(playing.utterance, now - playing.begins)

    def _next_utterance(self) -> Utterance | None:
        """The utterance whose chunk is to be sent now; None when none may be sent."""
        first = self._backlog.first
        if (
            first is None
            or self._interrupter.is_busy
            or not self._playback.has_room(self._monotonic())
        ):
            return None
        if self._monotonic() < self._not_before or not first.chunks:
            return None
        return first

    def _set_timer(self) -> None:
        """Advance again at the next time at which something changes by itself."""
        now = self._monotonic()
        times = [self._not_before, now + self._playback.seconds_to_room(now)]
        times = [time for time in times if time > now]
        if (change := self._playback.next_change()) is not None:
            times.append(max(change, now))
        at = min(times, default=math.inf)
        if at == self._timer_at:
            return
        self._stop_timer()
        if times:
            self._timer_at = at
            self._timer = self._clocks.call_later(at - now, self._advance_in_time)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, math.inf

    def _advance_in_time(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self._advance()

    async def _send(self, utterance: Utterance) -> None:
        """Send an utterance's next chunk, unless a Stop came before this task began."""
        if self._next_utterance() is utterance:
            try:
                await self._try(utterance, take_next_chunk(utterance, self._max_chunk_length()))
            finally:
                utterance.tried += 1
                utterance.note_drained()
        self._sender_task = None
        self._advance()

    async def _try(self, utterance: Utterance, chunk: SpeechChunk) -> None:
        count = self._interrupter.count

        def is_wanted() -> bool:
            return count == self._interrupter.count

        try:
            seconds = await self._say(utterance, chunk, is_wanted)
        except ChunkTooLong:
            utterance.chunks.insert(0, chunk)
        except UnwantedCall:
            report_outcome(chunk, outcome=UtteranceState.INTERRUPTED)
        except Problem as problem:
            pause = pause_before_next_try(chunk, problem)
            if pause is None or not is_wanted():
                self._fail(utterance, problem)
                report_outcome(chunk, problem, outcome=problem.name)
            else:
                chunk.tries += 1
                utterance.chunks.insert(0, chunk)
                self._not_before = self._monotonic() + pause
        except Exception as error:
            self._fail(utterance, None)
            report_outcome(chunk, error, outcome=UNKNOWN)
            log.exception("bug")
        else:
            utterance.turns += chunk.final
            self._playback.add(utterance, chunk.text, seconds, self._monotonic())
            report_outcome(chunk)

    def _fail(self, utterance: Utterance, problem: Problem | None) -> None:
        """Drop the rest of an utterance that failed, which would make no sense alone."""
        self._drop(utterance, problem.name if problem else UNKNOWN)
        utterance.problem = problem
        if isinstance(problem, SessionEnded):
            self._utterances.mark_interrupted(utterance, problem.name)
            self.close(problem.name)
        else:
            self._utterances.mark_failed(utterance, problem.name if problem else "bug")

    def _drop_waiting(self, reason: str | None) -> None:
        for utterance in self._backlog.clear():
            self._drop(utterance, UtteranceState.INTERRUPTED)
            self._utterances.mark_interrupted(utterance, reason)

    def _drop(self, utterance: Utterance, outcome: str) -> None:
        for chunk in utterance.chunks:
            report_outcome(chunk, outcome=outcome)
        utterance.chunks.clear()
        utterance.open, utterance.closed = False, True

    def _seconds_to_room(self) -> float:
        return self._playback.seconds_to_room(self._monotonic())
