"""What is asked to be said: checked, carried out once, lined up, and on record."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
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
from app.sessions.speech.chunks import awaited
from app.sessions.speech.feed import UtteranceFeed
from app.sessions.speech.idempotency import Attempt, IdempotentSpeaks, Speak, WrittenText, digest
from app.sessions.speech.queue import SpeechQueue
from app.sessions.speech.registry import UtteranceRegistry
from app.sessions.speech.sender import SpeechSender
from app.sessions.speech.session_speech import SESSION_OVER, SessionSpeech
from app.sessions.speech.text.streaming import StreamedText
from app.sessions.speech.text.validation import new_turn_id, speakable
from app.sessions.speech.utterances import Receipt, SpeechChunk, Utterance, UtteranceState


class SpeechService:
    """Takes texts and recordings to be said in any session; raises a `Problem` for what can't be.

    A text is on record, as the operator's hooks leave it, before its call is answered. Its outcome
    is on record when it is known, which may be later. A call that is sent again is answered as
    before (`IdempotentSpeaks`).
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
        """Say a text when its turn comes; a turn without a name gets one.

        When its turn is now, this returns once Kaltura took the text, and raises what came in the
        way. Raises `SpeechRefused` for what a hook refuses, and `QueueFull`.
        """

        async def say(attempt: Attempt) -> Receipt:
            async with self._call(Operation.SAY_TEXT, grant) as call:
                attempt.calls.append(call)
                grant.require("speak")
                said = speakable(text, self._settings.max_text_length)
                await self._registry.touch(grant.runtime)
                turn = turn_id or new_turn_id()
                return await self._line_up_text(grant.runtime, call, said, turn, is_final=is_final)

        speak = Speak(Operation.SAY_TEXT, turn_id, is_final, digest(text))
        return await self._once(grant, "speak", speak, idempotency_key, say)

    async def say_audio(
        self,
        grant: SessionGrant,
        audio: bytes,
        turn_id: TurnId | None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Say a recording when its turn comes.

        The recording is made fit to be said first (`Recordings`), and accepted when it is: what is
        asked for meanwhile goes before it, and what is stopped meanwhile is not said.
        """

        async def say(attempt: Attempt) -> Receipt:
            async with self._call(Operation.SAY_AUDIO, grant) as call:
                attempt.calls.append(call)
                grant.require("speak-audio")
                await self._registry.touch(grant.runtime)
                turn = turn_id or new_turn_id()
                in_work = grant.runtime.recordings
                try:
                    recording = await self._recordings.fit(in_work, audio, grant.address)
                except RecordingStopped:
                    now = self._clocks.wall()
                    return Receipt(turn, "", UtteranceState.INTERRUPTED, now)
                await self._registry.expire(grant.runtime)
                return await self._line_up_recording(
                    grant.runtime,
                    call,
                    recording,
                    turn,
                    bytes=len(audio),
                    seconds=round(recording.duration_seconds, 1),
                )

        content = await asyncio.to_thread(digest, audio)
        speak = Speak(Operation.SAY_AUDIO, turn_id, content=content)
        return await self._once(grant, "speak-audio", speak, idempotency_key, say)

    async def say_written(
        self,
        grant: SessionGrant,
        texts: AsyncIterator[str],
        turn_id: TurnId | None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Say a text while it is being written; it holds its place in line until its end.

        Returns when all of it is in line or was stopped, and raises what came in the way. Each
        piece that comes is a sign of life, and each sentence a call of its own on the record.
        """
        written = WrittenText()

        async def say(attempt: Attempt) -> Receipt:
            async with self._auditor.call_in_parts(
                Operation.SAY_TEXT, grant.session, grant.service
            ):
                grant.require("speak")
                await self._registry.touch(grant.runtime)
                arriving = self._touching(grant.runtime, written.noted(texts))
                return await self._read(grant, arriving, turn_id or new_turn_id(), attempt)

        speak = Speak(Operation.SAY_TEXT, turn_id, written=written)
        return await self._once(grant, "speak", speak, idempotency_key, say, texts)

    def is_repeated(self, grant: SessionGrant, idempotency_key: str | None) -> bool:
        """Whether a speak with this key would begin nothing, because there was one with it."""
        speaks = self._speech_of(grant.runtime).speaks
        return idempotency_key is not None and speaks.is_known(idempotency_key)

    async def interrupt(self, grant: SessionGrant) -> None:
        """Stop speech, and forget everything that was asked to be said so far."""
        async with self._call(Operation.INTERRUPT, grant) as call:
            grant.require("interrupt")
            await self._registry.touch(grant.runtime)
            grant.runtime.stop_recordings()
            interrupt = partial(self._gateway.interrupt, grant.runtime, call)
            await self._speech_of(grant.runtime).queue.stop(interrupt)

    # Telling what became of it

    def utterances(self, grant: SessionGrant) -> list[Receipt]:
        """What was asked to be said in a session, and its fate."""
        return self.feed(grant).receipts

    def feed(self, grant: SessionGrant) -> UtteranceFeed:
        """Where the fate of each utterance is told as it happens."""
        return self._speech_of(grant.runtime).feed

    async def heard(self, grant: SessionGrant, turn_id: TurnId, *, begins: bool) -> None:
        """Note that a player heard an utterance begin or end, which Kaltura does not tell."""
        await self._registry.touch(grant.runtime)
        self._speech_of(grant.runtime).queue.heard(turn_id, begins=begins)

    @property
    def waiting(self) -> int:
        """How many utterances of all sessions wait to be said."""
        speeches = (runtime.speech for runtime in self._registry.runtimes())
        return sum(len(speech.queue) for speech in speeches if speech is not None)

    async def settle(self) -> None:
        """Break off what is being said, at the end of the process."""
        for runtime in (*self._registry.runtimes(), *self._registry.lately_ended()):
            if runtime.speech is not None:
                await runtime.speech.queue.settle()

    # Carrying out

    def _call(
        self, operation: Operation, grant: SessionGrant
    ) -> AbstractAsyncContextManager[AuditedCall]:
        return self._auditor.call(operation, grant.session, service=grant.service)

    async def _once(
        self,
        grant: SessionGrant,
        control: Control,
        speak: Speak,
        idempotency_key: str | None,
        carry_out: Callable[[Attempt], Awaitable[Receipt]],
        texts: AsyncIterator[str] | None = None,
    ) -> Receipt:
        """Carry a speak out once; a caller who may not speak is refused, and not answered so."""
        if control not in grant.controls or grant.session.ended is not None:
            return await carry_out(Attempt(speak))
        speaks = self._speech_of(grant.runtime).speaks
        return await speaks.once(speak, idempotency_key, carry_out, texts)

    async def _line_up_text(
        self,
        runtime: SessionRuntime,
        call: AuditedCall,
        text: str,
        turn_id: TurnId,
        *,
        is_final: bool,
    ) -> Receipt:
        queue = self._speech_of(runtime).queue
        async with queue.in_order() as arrived:
            queue.require_room(turn_id, text)
            text = await self._moderate(runtime, call, turn_id, text, is_final=is_final)
            utterance = queue.begin(turn_id, text)
            chunk = SpeechChunk(text, final=is_final, call=call)
            is_first = _put(queue, utterance, chunk, arrived)
        return await _outcome(utterance, chunk, is_first=is_first)

    async def _line_up_recording(
        self,
        runtime: SessionRuntime,
        call: AuditedCall,
        recording: Recording,
        turn_id: TurnId,
        **detail: Any,
    ) -> Receipt:
        """Line up a recording, which no hook hears; `detail` is for the record."""
        queue = self._speech_of(runtime).queue
        async with queue.in_order() as arrived:
            queue.require_room(turn_id, "", recording)
            await call.accepted(turnId=turn_id, **detail)
            utterance = queue.begin(turn_id, "")
            chunk = SpeechChunk("", recording=recording, call=call)
            is_first = _put(queue, utterance, chunk, arrived)
        return await _outcome(utterance, chunk, is_first=is_first)

    async def _read(
        self, grant: SessionGrant, texts: AsyncIterator[str], turn_id: TurnId, attempt: Attempt
    ) -> Receipt:
        async def sentence(text: str, *, is_final: bool) -> SpeechChunk:
            async with self._call(Operation.SAY_TEXT, grant) as call:
                attempt.calls.append(call)
                text = await self._moderate(grant.runtime, call, turn_id, text, is_final=is_final)
                call.goes_on = True
            return SpeechChunk(text, final=is_final, call=call)

        streamed = StreamedText(
            queue=self._speech_of(grant.runtime).queue,
            turn_id=turn_id,
            sentence=sentence,
            chunk_length=self._settings.speech_chunk_length,
            max_length=self._settings.max_text_length,
        )
        return await streamed.read(texts)

    async def _touching(
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
        asked: str,
        *,
        is_final: bool,
    ) -> str:
        """What the hooks leave of a text, which is on record then; raises `SpeechRefused`."""
        detail: dict[str, Any] = {"turnId": turn_id, "isFinal": None if is_final else False}
        try:
            text = await self._hooks.moderate(
                session_id=runtime.session_id,
                visitor=runtime.session.owner,
                text=asked,
                turn_id=turn_id,
            )
        except SpeechRefused:
            await call.accepted(text=asked, **detail)
            raise
        changed_from = None if text == asked else asked
        await call.accepted(text=text, instead_of=changed_from, **detail)
        return text

    async def _interrupt_again(self, runtime: SessionRuntime) -> None:
        """Stop what one Stop did not reach; the broker does it of its own accord."""
        interrupting = self._auditor.call(Operation.INTERRUPT, runtime.session, bypass_limits=True)
        async with interrupting as call:
            await self._gateway.interrupt(runtime, call)

    # One session's speech

    def _speech_of(self, runtime: SessionRuntime) -> SessionSpeech:
        if runtime.speech is not None:
            return runtime.speech
        speech = self._new_speech(runtime)
        if runtime.session.ended is None:
            runtime.speech = speech
        else:
            speech.close()
        return speech

    def _new_speech(self, runtime: SessionRuntime) -> SessionSpeech:
        feed = UtteranceFeed()
        utterances = UtteranceRegistry(feed, self._clocks.wall)
        queue = SpeechQueue(
            say=partial(self._sender.say, runtime, utterances),
            interrupt=partial(self._interrupt_again, runtime),
            max_chunk_length=lambda: self.voice.max_chunk_length,
            max_text_length=self._settings.max_text_length,
            utterances=utterances,
            clocks=self._clocks,
        )
        return SessionSpeech(queue, feed, IdempotentSpeaks())


def _put(queue: SpeechQueue, utterance: Utterance, chunk: SpeechChunk, arrived: int) -> bool:
    """Line up a chunk; whether it is first, so that its caller can wait for its outcome."""
    chunk.accepted = awaited()
    is_first = queue.put(utterance, [chunk], arrived)
    if not is_first:
        chunk.accepted = None
        if not utterance.over and chunk.call is not None:
            chunk.call.goes_on = True
    return is_first


async def _outcome(utterance: Utterance, chunk: SpeechChunk, *, is_first: bool) -> Receipt:
    if is_first and chunk.accepted is not None:
        await chunk.accepted
    if utterance.receipt.reason == SESSION_OVER:
        raise SessionEnded
    return utterance.receipt
