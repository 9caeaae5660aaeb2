"""Sends chunks of speech in Kaltura's own voice, or in that of a text-to-speech service."""

from collections.abc import Callable

from app.kaltura.contract import SayTextRequest, TurnId
from app.problems import SpeechUnavailable
from app.sessions.auditing import AuditedCall
from app.sessions.error_mapping import UnwantedCall
from app.sessions.gateway import SessionGateway
from app.sessions.runtime import SessionRuntime
from app.sessions.speech.chunks import ChunkTooLong
from app.sessions.speech.text.validation import is_silent
from app.sessions.speech.utterance_registry import UtteranceRegistry
from app.sessions.speech.utterances import SpeechChunk, Utterance
from app.sessions.speech.voice.tts_fallback import VoiceSelector


class SpeechSender:
    """Sends the chunks of every session to Kaltura."""

    def __init__(self, gateway: SessionGateway, voice: VoiceSelector) -> None:
        self._gateway = gateway
        self._voice = voice

    async def say(
        self,
        runtime: SessionRuntime,
        utterances: UtteranceRegistry,
        utterance: Utterance,
        chunk: SpeechChunk,
        is_wanted: Callable[[], bool],
    ) -> float | None:
        """Send one chunk; parameters, result and errors are those of `SayChunk`."""
        turn_id, call = _kaltura_turn_id(utterance), chunk.call
        assert call is not None  # noqa: S101 - the service gives every chunk a call
        recording = chunk.recording
        if recording is None and is_silent(chunk.text):
            # A voice may fail on a text without words, so it is not sent, unless it must end a turn
            # at Kaltura.
            is_end = utterance.unfinished and chunk.final
            if self._voice.wants_audio or not is_end:
                return 0.0
        if recording is None and not self._voice.wants_audio:
            request = SayTextRequest(text=chunk.text, turn_id=turn_id, is_final=chunk.final)
            if await self._say_text(runtime, call, request, is_wanted):
                utterance.unfinished = not chunk.final
                return None
            if len(chunk.text) > self._voice.max_chunk_length:
                raise ChunkTooLong
        if recording is None:
            recording = await self._voice.synthesise(chunk.text)
            utterances.mark_fallback(utterance)
        await self._gateway.say_audio(runtime, call, recording, turn_id, is_wanted)
        # Kaltura takes each recording for a turn of its own, whatever text it is a part of.
        utterance.turns += not chunk.final
        return recording.duration_seconds

    async def _say_text(
        self,
        runtime: SessionRuntime,
        call: AuditedCall,
        request: SayTextRequest,
        is_wanted: Callable[[], bool],
    ) -> bool:
        """Send a text to Kaltura's own voice; False when the text-to-speech service must say it."""
        try:
            await self._gateway.say_text(runtime, call, request, is_wanted)
        except SpeechUnavailable:
            if is_silent(request.text):
                return True
            self._voice.kaltura_refused()
            if not self._voice.has_fallback:
                raise
            if not is_wanted():
                raise UnwantedCall from None
            return False
        self._voice.kaltura_spoke()
        return True


def _kaltura_turn_id(utterance: Utterance) -> TurnId:
    """Kaltura's id for an utterance's current turn; text after the end of a turn begins another."""
    number = "" if utterance.turns == 1 else f":{utterance.turns}"
    return utterance.turn_id[: 128 - len(number)] + number
