"""Accepts texts and recordings to be said: checked, carried out once, queued and recorded."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from app.config.setting_types import Control
from app.config.settings import Settings
from app.kaltura.client import Recording
from app.kaltura.contract import Operation, TurnId
from app.problems import SessionEnded, SpeechRefused
from app.sessions.access import SessionGrant
from app.sessions.audio.recordings import Recordings, RecordingStopped
from app.sessions.auditing import AuditedCall, SessionAuditor
from app.sessions.clock import Clocks
from app.sessions.gateway import SessionGateway
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime
from app.sessions.speech.assembly import SpeechServices
from app.sessions.speech.backlog import SpeechBacklog, WaitingCount
from app.sessions.speech.chunks import new_future, report_outcome
from app.sessions.speech.earlier_turns import EarlierTurns, turn_id_of
from app.sessions.speech.feed import UtteranceFeed
from app.sessions.speech.idempotency import (
    Attempt,
    IdempotentSpeaks,
    SpeakContent,
    StreamDigest,
    digest,
)
from app.sessions.speech.queue import SpeechQueue
from app.sessions.speech.sender import SpeechSender
from app.sessions.speech.session_speech import SESSION_OVER, SessionSpeech
from app.sessions.speech.text.markdown import without_markdown
from app.sessions.speech.text.streaming import StreamedText
from app.sessions.speech.text.validation import new_turn_id, speakable
from app.sessions.speech.utterance_registry import UtteranceRegistry
from app.sessions.speech.utterances import Receipt, SpeechChunk, Utterance, UtteranceState


class SpeechService:
    """Says texts and recordings in any session; raises a `Problem` for those that can't be said.

    A text is in the audit record, as the operator's hooks leave it, before its call is answered.
    The outcome is recorded when it is known, which may be later. A call that is sent again is
    answered as the first time (`IdempotentSpeaks`).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        gateway: SessionGateway,
        registry: SessionRegistry,
        services: SpeechServices,
        auditor: SessionAuditor,
        clocks: Clocks,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._registry = registry
        self.voice = services.voice
        self._hooks = services.hooks
        self._auditor = auditor
        self._clocks = clocks
        self._sender = SpeechSender(gateway, services.voice)
        self._waiting = WaitingCount()
        self._recordings = Recordings(address_share_percent=settings.address_share_percent)

    # Speaking

    async def say_text(
        self,
        grant: SessionGrant,
        text: str,
        turn_id: TurnId | None,
        *,
        is_final: bool,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Say a text when its turn comes; a call without a `turn_id` gets a new one.

        When the text is first in the queue, this returns once Kaltura took it, and raises the
        problem if it did not. Raises `SpeechRefused` for a text that a hook refuses, and
        `QueueFull`.
        """

        async def say(attempt: Attempt) -> Receipt:
            async with self._auditor.granted_call(Operation.SAY_TEXT, grant) as call:
                attempt.calls.append(call)
                grant.require("speak")
                said = speakable(text, self._settings.max_text_length)
                await self._registry.touch(grant.runtime)
                turn = _turn_id(grant, turn_id, idempotency_key)
                return await self._enqueue_text(grant.runtime, call, said, turn, is_final=is_final)

        speak = SpeakContent(Operation.SAY_TEXT, turn_id, is_final, digest(text), text=text)
        return await self._once(grant, "speak", speak, idempotency_key, say)

    async def say_audio(
        self,
        grant: SessionGrant,
        audio: bytes,
        turn_id: TurnId | None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Say a recording when its turn comes.

        The recording is transcoded first (`Recordings`), and queued after that: texts that arrive
        meanwhile are said before it, and a Stop that comes meanwhile drops it.
        """

        async def say(attempt: Attempt) -> Receipt:
            async with self._auditor.granted_call(Operation.SAY_AUDIO, grant) as call:
                attempt.calls.append(call)
                grant.require("speak-audio")
                await self._registry.touch(grant.runtime)
                turn = _turn_id(grant, turn_id, idempotency_key)
                transcoding = grant.runtime.recordings
                try:
                    recording = await self._recordings.prepare(transcoding, audio, grant.address)
                except RecordingStopped:
                    grant.runtime.require_held()
                    now = self._clocks.wall()
                    return Receipt(turn, "", UtteranceState.INTERRUPTED, now)
                await self._registry.expire(grant.runtime)
                return await self._enqueue_recording(
                    grant.runtime,
                    call,
                    recording,
                    turn,
                    bytes=len(audio),
                    seconds=round(recording.duration_seconds, 1),
                )

        content = await asyncio.to_thread(digest, audio)
        speak = SpeakContent(Operation.SAY_AUDIO, turn_id, content=content)
        return await self._once(grant, "speak-audio", speak, idempotency_key, say)

    async def say_written(
        self,
        grant: SessionGrant,
        texts: AsyncIterator[str],
        turn_id: TurnId | None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Say a text while it is being written; it keeps its place in the queue until its end.

        Returns when all of it is queued or was stopped, and raises the problem that ended it. Each
        part that arrives is a sign of life, and each sentence a call of its own in the audit
        record.
        """
        streamed = StreamDigest()

        async def say(attempt: Attempt) -> Receipt:
            async with self._auditor.call_in_parts(Operation.SAY_TEXT, grant):
                grant.require("speak")
                await self._registry.touch(grant.runtime)
                arriving = self._with_signs_of_life(grant.runtime, streamed.digesting(texts))
                if self._settings.speech_markdown == "strip":
                    arriving = without_markdown(arriving)
                turn = _turn_id(grant, turn_id, idempotency_key)
                return await self._read_stream(grant, arriving, turn, attempt)

        speak = SpeakContent(Operation.SAY_TEXT, turn_id, streamed=streamed)
        return await self._once(grant, "speak", speak, idempotency_key, say, texts)

    def is_repeated(self, grant: SessionGrant, idempotency_key: str | None) -> bool:
        """Whether a speak with this key would start nothing, because one with this key is known."""
        speech = self._speech_of(grant.runtime)
        return idempotency_key is not None and (
            speech.speaks.is_known(idempotency_key) or speech.earlier.has_key(idempotency_key)
        )

    async def interrupt(self, grant: SessionGrant) -> None:
        """Stop speech, and drop everything that was queued so far."""
        async with self._auditor.granted_call(Operation.INTERRUPT, grant) as call:
            grant.require("interrupt")
            await self._registry.touch(grant.runtime)
            grant.runtime.stop_recordings()
            interrupt = partial(self._gateway.interrupt, grant.runtime, call)
            await self._speech_of(grant.runtime).queue.stop(interrupt)

    # Reporting outcomes

    def utterances(self, grant: SessionGrant) -> list[Receipt]:
        """The utterances of a session and their states, oldest first."""
        return self.feed(grant).receipts

    def feed(self, grant: SessionGrant) -> UtteranceFeed:
        """The feed of a session's utterances."""
        return self._speech_of(grant.runtime).feed

    async def heard(self, grant: SessionGrant, turn_id: TurnId, *, begins: bool) -> None:
        """Note that a player heard an utterance begin or end, which Kaltura does not report."""
        await self._registry.touch(grant.runtime)
        self._speech_of(grant.runtime).queue.heard(turn_id, begins=begins)

    @property
    def waiting(self) -> int:
        """The number of utterances of all sessions that wait to be said."""
        return self._waiting.number

    async def settle(self) -> None:
        """Cancel all sending under way, at the end of the process."""
        for runtime in (*self._registry.runtimes(), *self._registry.lately_ended()):
            if runtime.speech is not None:
                await runtime.speech.queue.settle()

    # Speaking, internally

    async def _once(
        self,
        grant: SessionGrant,
        control: Control,
        speak: SpeakContent,
        idempotency_key: str | None,
        carry_out: Callable[[Attempt], Awaitable[Receipt]],
        texts: AsyncIterator[str] | None = None,
    ) -> Receipt:
        """Carry a speak out once; a caller who may not speak is refused, not answered as before."""
        if control not in grant.controls or grant.session.ended is not None:
            return await carry_out(Attempt(speak))
        speech, holder = self._speech_of(grant.runtime), self._gateway.holder
        if (receipt := speech.earlier.answer_to(speak, idempotency_key)) is not None:
            return receipt
        receipt = await speech.speaks.once(speak, idempotency_key, carry_out, texts)
        self._gateway.require_kept(holder)
        return receipt

    async def _enqueue_text(
        self,
        runtime: SessionRuntime,
        call: AuditedCall,
        text: str,
        turn_id: TurnId,
        *,
        is_final: bool,
    ) -> Receipt:
        queue = self._speech_of(runtime).queue
        stop_count = queue.stop_count
        async with queue.in_order():
            queue.require_room(turn_id, text)
            text = await self._moderate(runtime, call, turn_id, text, is_final=is_final)
            utterance = queue.begin(turn_id, text)
            chunk = SpeechChunk(text, final=is_final, call=call)
            is_first = _enqueue(queue, utterance, chunk, stop_count)
        return await _wait_for_outcome(utterance, chunk, is_first=is_first)

    async def _enqueue_recording(
        self,
        runtime: SessionRuntime,
        call: AuditedCall,
        recording: Recording,
        turn_id: TurnId,
        **detail: Any,
    ) -> Receipt:
        """Queue a recording, which no hook checks; `detail` is for the audit record."""
        queue = self._speech_of(runtime).queue
        stop_count = queue.stop_count
        async with queue.in_order():
            queue.require_room(turn_id, "", recording)
            await call.accepted(turnId=turn_id, **detail)
            utterance = queue.begin(turn_id, "")
            chunk = SpeechChunk("", recording=recording, call=call)
            is_first = _enqueue(queue, utterance, chunk, stop_count)
        return await _wait_for_outcome(utterance, chunk, is_first=is_first)

    async def _read_stream(
        self, grant: SessionGrant, texts: AsyncIterator[str], turn_id: TurnId, attempt: Attempt
    ) -> Receipt:
        async def make_chunk(text: str, *, is_final: bool) -> SpeechChunk:
            async with self._auditor.granted_call(Operation.SAY_TEXT, grant) as call:
                attempt.calls.append(call)
                text = await self._moderate(grant.runtime, call, turn_id, text, is_final=is_final)
                call.goes_on = True
            return SpeechChunk(text, final=is_final, call=call)

        streamed = StreamedText(
            queue=self._speech_of(grant.runtime).queue,
            turn_id=turn_id,
            make_chunk=make_chunk,
            chunk_length=self._settings.speech_chunk_length,
            max_length=self._settings.max_text_length,
        )
        return await streamed.read(texts)

    async def _with_signs_of_life(
        self, runtime: SessionRuntime, texts: AsyncIterator[str]
    ) -> AsyncIterator[str]:
        async for text in texts:
            await self._registry.touch(runtime)
            yield text

    async def _moderate(
        self,
        runtime: SessionRuntime,
        call: AuditedCall,
        turn_id: TurnId,
        original: str,
        *,
        is_final: bool,
    ) -> str:
        """The text as the hooks leave it, recorded with its call; raises `SpeechRefused`."""
        detail: dict[str, Any] = {"turnId": turn_id, "isFinal": None if is_final else False}
        try:
            text = await self._hooks.moderate(
                session_id=runtime.session_id,
                visitor=runtime.session.owner,
                text=original,
                turn_id=turn_id,
            )
        except SpeechRefused:
            await call.accepted(text=original, **detail)
            raise
        changed_from = None if text == original else original
        await call.accepted(text=text, instead_of=changed_from, **detail)
        return text

    async def _interrupt_again(self, runtime: SessionRuntime) -> None:
        """Send an interrupt of the broker's own, for speech that a Stop did not reach."""
        interrupting = self._auditor.call(Operation.INTERRUPT, runtime.session, bypass_limits=True)
        async with interrupting as call:
            await self._gateway.interrupt(runtime, call)

    # One session's speech

    def _speech_of(self, runtime: SessionRuntime) -> SessionSpeech:
        if runtime.speech is not None:
            return runtime.speech
        speech = self._new_speech(runtime)
        if runtime.is_lost:
            speech.lose()
        elif runtime.session.ended is not None:
            speech.close()
        else:
            runtime.speech = speech
        return speech

    def _new_speech(self, runtime: SessionRuntime) -> SessionSpeech:
        earlier = EarlierTurns(runtime.session)
        feed = UtteranceFeed(earlier.receipts)
        utterances = UtteranceRegistry(feed, self._clocks.wall)
        queue = SpeechQueue(
            say=partial(self._sender.say, runtime, utterances),
            interrupt=partial(self._interrupt_again, runtime),
            max_chunk_length=lambda: self.voice.max_chunk_length,
            backlog=SpeechBacklog(self._settings.max_text_length, self._waiting),
            utterances=utterances,
            clocks=self._clocks,
        )
        return SessionSpeech(queue, feed, IdempotentSpeaks(), earlier)


def _turn_id(grant: SessionGrant, turn_id: TurnId | None, idempotency_key: str | None) -> TurnId:
    """The turn id of a speak, which may name none."""
    if turn_id is None and idempotency_key is not None:
        return turn_id_of(grant.session.session_id, idempotency_key)
    return turn_id or new_turn_id()


def _enqueue(queue: SpeechQueue, utterance: Utterance, chunk: SpeechChunk, stop_count: int) -> bool:
    """Queue a chunk; return whether it is first, so that its caller can wait for the outcome."""
    chunk.accepted = new_future()
    is_first = queue.put(utterance, [chunk], stop_count)
    if not is_first:
        chunk.accepted = None
        if utterance.over:
            report_outcome(chunk, outcome=utterance.receipt.reason or utterance.receipt.state)
        elif chunk.call is not None:
            chunk.call.goes_on = True
    return is_first


async def _wait_for_outcome(utterance: Utterance, chunk: SpeechChunk, *, is_first: bool) -> Receipt:
    if is_first and chunk.accepted is not None:
        await chunk.accepted
    if utterance.receipt.reason == SESSION_OVER:
        raise SessionEnded
    return utterance.receipt
